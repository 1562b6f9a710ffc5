#pragma once

#include <sys/resource.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/keeper/handover.h"
#include "agent/keeper/limit_watch.h"
#include "agent/keeper/log_writer.h"
#include "agent/keeper/notify_socket.h"
#include "agent/keeper/nursery.h"
#include "agent/keeper/records.h"
#include "agent/keeper/stream_pump.h"
#include "agent/keeper/tree.h"
#include "shared/keeperlink/messages.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// Descriptors that starts leave to the keeper: for walking trees of processes, turning logs over,
// the next agent. What runs beside apps may take half of them.
constexpr std::uint64_t kReservedDescriptors = 16;

// What all runs share.
struct RunContext {
    loop::EventLoop& loop;
    std::string io_folder;    // where the FIFOs are
    std::string logs_folder;  // where each app has its log folder

    struct rlimit original_nofile {};  // before the keeper raised its own

    std::vector<std::string> controllers = {};   // of cgroup v2, that hold in the groups below it
    std::optional<os::Cgroup> cgroup = {};       // of this home
    std::string buffer = {};                     // for reading; one for all
    Nursery nursery = {};                        // of children on their way to exec
    std::string log_scratch = {};                // for putting lines together; one for all
    std::map<std::string, LogLoss> losses = {};  // of logs that are closed, not told in them yet
    std::function<void(const keeperlink::RunName&)> log_rotated = {};
    std::function<void(const keeperlink::RunName&, const std::string& trouble)> log_taken = {};
    std::string home_id;  // of the records: names what others may see
    std::function<void(const keeperlink::Notified&)> notified;
    std::uint64_t reserve = kReservedDescriptors;  // that the next start has to leave
    std::function<void(const keeperlink::RunName&)> input_room = {};
};

// One run of one app: its process, FIFOs (or terminal) and log. Owned by the Keeper, in its thread.
// A run that has ended keeps its record until it is forgotten, but holds no descriptors.
class Run {
public:
    using Changed = std::function<void(Run&)>;

    Run(RunContext& context, Record& record, TreeIdentity tree)
        : context_(context), record_(record), tree_(std::move(tree)) {}

    // Forks. `confirmed` is called when exec has succeeded, and always before its end is told; a
    // failure is seen when the process ends. Error: which stage failed before the fork, in
    // os_errno.
    Result<void> spawn(const keeperlink::Start& start, Changed confirmed);

    // Takes over a run that an earlier keeper left: reads its FIFOs on, and calls `ended` when its
    // leader ends. False: that one is not alive any more.
    bool adopt(Changed ended);

    // Takes over a run of the keeper that this process was before an upgrade. `confirmed` as in
    // spawn(), `ended` as in adopt(). True: its leader is a child of ours that is not reaped yet.
    bool resume(const RunHandover& from, Changed confirmed, Changed ended);

    // For the keeper that this process is about to become.
    [[nodiscard]] RunHandover hand_over() const;

    // Everything that the FIFOs hold goes to the log.
    void drain();

    // The leader has ended: drains and records it. `failure` of the child, if one came over the
    // gate, makes it a failed start.
    void leader_ended(int wait_status, bool status_known);

    // Whether the tree is empty; then it is recorded and all descriptors are closed. Else `again`
    // is called when one of those left has ended.
    bool check_tree(const std::unordered_set<pid_t>& known_children, Changed again);

    // It has ended and its app has no later run: nothing of the system is kept for the next one.
    void remove_group() const;

    // Takes what there is room for.
    keeperlink::InputTaken input(const keeperlink::Input& input);
    void resize(std::uint32_t rows, std::uint32_t columns) const;

    // Limits that are ours to look after while it runs.
    [[nodiscard]] WatchedLimits watched_limits() const;

    // It is about to be killed for this.
    void set_cause(const Breach& breach);

    [[nodiscard]] keeperlink::RunName name() const { return {record_.id, record_.generation}; }

    [[nodiscard]] keeperlink::RunFact fact() const;

    [[nodiscard]] keeperlink::RunPhase phase() const { return keeperlink::RunPhase{record_.phase}; }

    [[nodiscard]] bool finished() const {
        return phase() == keeperlink::RunPhase::Exited || phase() == keeperlink::RunPhase::Failed;
    }

    [[nodiscard]] bool tree_gone() const { return record_.tree_gone != 0; }

    [[nodiscard]] Record& record() { return record_; }

    [[nodiscard]] const TreeIdentity& tree() const { return tree_; }

    bool killing = false;  // a SIGKILL to the tree is under way: repeat it until it is empty
    bool forget_when_gone = false;

private:
    Result<void> open_log();
    void leave_cgroup();
    void join_cgroup(const keeperlink::Start& start, os::UniqueFd& group);
    Result<void> open_fifos(bool make);
    Result<void> open_terminal();
    void watch_streams();
    [[nodiscard]] std::unique_ptr<StreamPump> make_pump(os::UniqueFd fd, Stream stream);
    void log_output(Stream stream, std::string_view bytes);
    void close_log();
    bool look_again(Changed again);
    void read_gate();
    void watch_gate();
    bool watch_leader(Changed ended);
    void find_cgroup();
    void flush_input();
    Result<void> open_notify_socket();
    void hear_notifications();
    [[nodiscard]] int input_fd() const;

    void set_phase(keeperlink::RunPhase phase) { record_.phase = static_cast<std::uint8_t>(phase); }

    [[nodiscard]] std::string fifo(const char* which) const;

    RunContext& context_;
    Record& record_;
    TreeIdentity tree_;
    std::optional<LogWriter> log_;
    std::string terminal_path_;
    std::unique_ptr<StreamPump> output_;  // or the terminal's master
    std::unique_ptr<StreamPump> error_;   // none with a terminal
    os::UniqueFd input_;
    os::UniqueFd gate_;
    std::optional<NotifySocket> notify_;
    Changed confirmed_;
    os::UniqueFd pidfd_;     // of an adopted leader
    os::UniqueFd survivor_;  // pidfd of one that outlived the leader
    os::UniqueFd input_dup_;
    loop::Registration input_watch_;
    loop::Registration gate_watch_;
    loop::Registration pidfd_watch_;
    loop::Registration survivor_watch_;
    std::string pending_input_;
    bool input_refused_ = false;  // there was no room for some; it is told when there is
};

}  // namespace berth::keeper
