#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/base/result.h"

// What the agent and its keeper say to each other over their socketpair.
//
// A frame is a u32 length, then one byte of kind and the fields in the order of the structs below,
// as written by PacketWriter. Both sides begin with Hello; a different version ends the link.
//
// The agent says what to do; the keeper answers with facts. A run of an app is named by (id,
// generation): the agent counts generations up, and the keeper starts each at most once. So any
// message may be said again after a crash of either side: the keeper answers a Start that it has
// carried out already with what it knows of that run. It keeps the facts of a run until Forget.
namespace berth::keeperlink {

// Bump when a frame's meaning or layout changes, and for a new frame. A keeper and an agent of
// different versions do not talk: the programs beside the keeper were replaced, so that it becomes
// the one that is there now, with all its apps, and starts the agent that belongs to it. The agent
// that it met ends, by itself or killed by the keeper.
inline constexpr std::uint32_t kProtocolVersion = 4;

// A Start carries a whole environment; nothing comes near this.
inline constexpr std::uint32_t kMaxFrame = 8U << 20U;

struct RunName {
    std::string id;
    std::uint64_t generation = 0;

    friend bool operator==(const RunName&, const RunName&) = default;
    friend auto operator<=>(const RunName&, const RunName&) = default;
};

// --- both ways
struct Hello {
    std::uint32_t version = kProtocolVersion;
    std::int32_t pid = 0;
};

// --- agent to keeper
struct ResourceLimit {
    std::uint32_t resource = 0;  // RLIMIT_…
    std::uint64_t value = 0;     // soft and hard
};

struct Start {
    RunName run;
    std::vector<std::string> argv;
    std::vector<std::string> environment;  // "NAME=VALUE"; the keeper adds BERTH_RUN
    std::string cwd;
    bool has_umask = false;
    std::uint32_t umask = 0;
    std::int32_t nice = 0;
    bool switch_user = false;  // uid, gid and groups hold
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::string> groups;  // numbers
    bool tty = false;
    std::vector<ResourceLimit> limits;
    std::uint64_t log_max_size = 0;  // bytes of one file
    std::uint32_t log_keep = 0;      // files besides the current one
    std::string pre_start;           // a shell line that must succeed before exec; empty: none
    bool notify = false;             // the keeper gives it a NOTIFY_SOCKET
    // 0: no limit. What no controller of the kernel holds, the keeper looks after once a second.
    std::uint64_t memory_max = 0;  // bytes
    std::uint32_t cpu_percent = 0;
    std::uint64_t pids_max = 0;
    std::uint64_t log_max_total = 0;  // bytes of all files; 0: what the two above come to
};

// Replace keeper and agent by those in `folder` (empty: where the running keeper is), which the
// keeper tries first. The answer is UpgradeAnswer. After a yes the agent ends; then the keeper
// becomes the new one, and starts the new agent.
struct Upgrade {
    std::string folder;
};

enum class SignalScope : std::uint8_t { Leader, Group, Tree };

// A SIGKILL to the Tree is repeated by the keeper until the tree is empty.
struct Signal {
    RunName run;
    std::int32_t signal = 0;
    SignalScope scope = SignalScope::Group;
};

struct Input {
    RunName run;
    std::uint64_t token = 0;  // of the InputTaken that answers it
    std::string bytes;
};

struct Resize {
    RunName run;
    std::uint32_t rows = 0;
    std::uint32_t columns = 0;
};

// Runs a command beside a living run, in its cgroup and as part of its tree: a check, or what is to
// be done before the stop signal. `start` says what and as whom; its streams are a pipe of the
// keeper. Answered by ExecDone. One that lasts longer than `timeout_ms` is killed with its group;
// one whose keeper dies is killed too.
struct Exec {
    std::uint64_t token = 0;  // the agent's, comes back in ExecDone
    Start start;              // start.run: the run that it belongs to
    std::uint64_t timeout_ms = 0;
};

// The end of this run has been stored: its record may be reused. Its log folder stays.
struct Forget {
    RunName run;
};

// The agent ends on purpose. With `end`, the keeper ends too as soon as no app is left; without, it
// stays with its apps and starts no agent until it gets SIGHUP.
struct Leave {
    bool end = false;
};

// Whether the keeper lives, and has done all that was said before. Answered by Pong.
struct Ping {
    std::uint64_t token = 0;  // the agent's, comes back in Pong
};

// --- keeper to agent
struct Started {
    RunName run;
    std::int32_t pid = 0;
    std::int64_t wall_ns = 0;
};

// Which step before or in exec failed.
enum class StartStage : std::uint8_t {
    Prepare,  // FIFOs, log folder, record
    Fork,
    Session,
    Terminal,
    Limits,
    User,
    Folder,
    Exec,
    PreStart,    // os_errno is the wait status of the hook
    KeeperDied,  // between fork and exec
};
const char* stage_text(StartStage stage);

struct StartFailed {
    RunName run;
    StartStage stage = StartStage::Prepare;
    std::int32_t os_errno = 0;
};

// What ended a run besides its exit status.
enum class EndCause : std::uint8_t {
    None,
    OutOfMemory,  // the kernel, over memory.max of its cgroup
    OverMemory,   // the keeper, which has found it over its limit
    OverPids,
};

// The leader has ended and its output is in the log to the last byte.
struct Exited {
    RunName run;
    std::int32_t wait_status = 0;
    bool status_known = true;
    std::int64_t wall_ns = 0;
    bool tree_gone = true;  // false: descendants live on; TreeGone follows when they are gone
    EndCause cause = EndCause::None;
    std::uint64_t cause_used = 0;  // bytes or processes, when the keeper has counted them
};

struct TreeGone {
    RunName run;
};

// How much of an Input was taken: written, or kept until the app reads it.
enum class InputEnd : std::uint8_t {
    Taken,  // all
    Full,   // what fitted; InputRoom comes when there is room again
    None,   // the run takes no input
};

struct InputTaken {
    RunName run;
    std::uint64_t token = 0;
    std::uint64_t taken = 0;  // bytes
    InputEnd end = InputEnd::Taken;
    std::string why;  // not all
};

// After an InputTaken that said Full: the app has read all that was kept.
struct InputRoom {
    RunName run;
};

// What an app said over its NOTIFY_SOCKET (sd_notify(3)). `ready` is kept in the run's record.
struct Notified {
    RunName run;
    bool ready = false;
    bool watchdog = false;         // it lives
    bool watchdog_failed = false;  // WATCHDOG=trigger: it asks to be restarted
    bool stopping = false;
    std::uint64_t extend_usec = 0;  // it needs so much longer for what it is doing
    std::string status;             // STATUS=…, free text

    bool operator==(const Notified&) const = default;
};

enum class ExecEnd : std::uint8_t { Ended, NotStarted, TimedOut, NoRun };

struct ExecDone {
    std::uint64_t token = 0;
    ExecEnd end = ExecEnd::Ended;
    std::int32_t wait_status = 0;  // Ended
    std::int32_t os_errno = 0;     // NotStarted
    std::string output;            // the last of what it wrote, at most 4 KiB
};

// A file of the app's log will not be written to any more. Said again only after a later one.
struct LogRotated {
    RunName run;
};

// Somebody removed or moved an app's log from outside; `trouble` says what there is to know.
struct LogTaken {
    RunName run;
    std::string trouble;
};

// One per run in the keeper's records, right after Hello, then SnapshotEnd.
enum class RunPhase : std::uint8_t { Spawned, Running, Exited, Failed };

struct RunFact {
    RunName run;
    RunPhase phase = RunPhase::Running;
    std::int32_t pid = 0;
    std::int64_t started_ns = 0;
    std::int64_t ended_ns = 0;
    std::int32_t wait_status = 0;
    bool status_known = true;
    bool tree_gone = false;
    StartStage stage = StartStage::Prepare;
    std::int32_t os_errno = 0;
    bool ready = false;  // it has said READY=1
    EndCause cause = EndCause::None;
    std::uint64_t cause_used = 0;
};

struct SnapshotEnd {
    std::uint32_t runs = 0;
    std::string cgroup;                    // of this home; empty: trees are found by walking
    std::vector<std::string> controllers;  // of cgroup v2 that hold limits here: memory, cpu, pids
};

struct UpgradeAnswer {
    std::string refusal;  // empty: it will be done as soon as the agent has ended
};

// All that had happened when the Ping was said has been told before this.
struct Pong {
    std::uint64_t token = 0;
};

using Message = std::variant<Hello,
                             Start,
                             Signal,
                             Input,
                             Resize,
                             Forget,
                             Leave,
                             Started,
                             StartFailed,
                             Exited,
                             TreeGone,
                             InputTaken,
                             InputRoom,
                             RunFact,
                             SnapshotEnd,
                             LogRotated,
                             LogTaken,
                             Upgrade,
                             UpgradeAnswer,
                             Exec,
                             ExecDone,
                             Notified,
                             Ping,
                             Pong>;

// Who says it; Hello is said by both.
template <class M, class... Others>
concept IsOneOf = (std::same_as<M, Others> || ...);

template <class M>
concept SaidByAgent = IsOneOf<M, Start, Signal, Input, Resize, Forget, Leave, Upgrade, Exec, Ping>;

template <class M>
concept SaidByKeeper = IsOneOf<M,
                               Started,
                               StartFailed,
                               Exited,
                               TreeGone,
                               InputTaken,
                               InputRoom,
                               RunFact,
                               SnapshotEnd,
                               LogRotated,
                               LogTaken,
                               UpgradeAnswer,
                               ExecDone,
                               Notified,
                               Pong>;

// The whole frame, length included.
std::string encode(const Message& message);

// `frame` is what stands behind the length. Error: unknown kind, missing or extra bytes, a value
// out of range.
Result<Message> decode(std::string_view frame);

// Cuts a byte stream into frames.
class FrameBuffer {
public:
    void append(std::string_view bytes) { bytes_ += bytes; }

    // The next whole frame without its length; nothing: more bytes are needed. Error: longer than
    // kMaxFrame, the stream is of no use any more. Valid until the next call.
    Result<std::optional<std::string_view>> next();

private:
    std::string bytes_;
    std::size_t read_ = 0;
};

}  // namespace berth::keeperlink
