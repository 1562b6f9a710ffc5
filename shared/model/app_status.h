#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/enum_names.h"
#include "shared/model/app_spec.h"
#include "shared/model/fields.h"
#include "shared/time/clock.h"

namespace berth {

// The states people see. SPMI's view is a table over them, see is_active().
enum class AppState : std::uint8_t {
    Stopped,   // not wanted to run, and it does not
    Waiting,   // for something it requires
    Starting,  // spawned, not ready yet
    Running,
    Stopping,  // until the whole tree is gone
    Backoff,   // failed, waiting for the next try
    Exited,    // ended well
    Failed,    // ended badly, or gave up
};
inline constexpr auto kAppStateNames = enum_names<AppState>(
    "stopped", "waiting", "starting", "running", "stopping", "backoff", "exited", "failed");

// Has processes: what SPMI calls active.
constexpr bool is_active(AppState state) {
    return state == AppState::Starting || state == AppState::Running || state == AppState::Stopping;
}

constexpr const auto& names_of(AppState /*of*/) {
    return kAppStateNames;
}

enum class Desired : std::uint8_t { Stopped, Running };
inline constexpr auto kDesiredNames = enum_names<Desired>("stopped", "running");

constexpr const auto& names_of(Desired /*of*/) {
    return kDesiredNames;
}

// How a run ended. "unknown" only when the keeper was killed while the app ran.
enum class ExitKind : std::uint8_t { Code, Signal, Unknown };

struct ExitStatus {
    ExitKind kind = ExitKind::Code;
    int value = 0;  // exit code or signal number
    bool core_dumped = false;
    std::string cause = {};  // "the kernel: out of memory (limit 512MiB)"; empty: none is known

    friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};

// "exited 1", "killed by SIGSEGV (core dumped)", "ended, its exit status is unknown".
std::string describe(const ExitStatus& status);

// "SIGTERM" for 15, "signal 77" for what has no name.
std::string signal_name(int signal);

// 15 for "SIGTERM", "TERM" or "15".
std::optional<int> signal_number(std::string_view name);

// SPMI's convention: the code, or minus the signal number.
std::optional<int> spmi_exit_code(const std::optional<ExitStatus>& status);

// "SIGTERM" when a signal ended it; nothing: it ended otherwise, or has not yet.
std::optional<std::string> ending_signal(const std::optional<ExitStatus>& status);

// A limit of an app, and who sees to it.
struct LimitStatus {
    std::string name;   // as in [limits]
    std::string value;  // as it is written there
    std::string by;     // "cgroup", "rlimit", "walk", "not enforced"

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("name", self.name);
        io("value", self.value);
        io("by", self.by);
    }

    friend bool operator==(const LimitStatus&, const LimitStatus&) = default;
};

// "512MiB", for sizes that are none of those "1000 bytes".
std::string size_text(std::uint64_t bytes);

// The messages that wait for an app.
struct MailboxStatus {
    std::uint64_t waiting = 0;  // not acknowledged
    std::uint64_t held = 0;     // of those, given to a receiver
    std::uint64_t bytes = 0;
    std::uint64_t received = 0;     // since the agent's start
    std::uint64_t taken = 0;        // acknowledged or answered, since then
    std::uint64_t redelivered = 0;  // the same
    std::uint64_t dead = 0;         // dead letters
    double in_rate = 0;             // messages a second, the mean of ten seconds
    double out_rate = 0;
    std::optional<WallTime> oldest;

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("waiting", self.waiting);
        io(Field{"held", "held", "of those, given out and not acknowledged"}, self.held);
        io("bytes", self.bytes);
        io(Field{"received", "received", "since the agent's start"}, self.received);
        io("taken", self.taken);
        io("redelivered", self.redelivered);
        io(Field{"dead", "dead", "dead letters: given out as often as is allowed"}, self.dead);
        io(Field{"in_rate", "in_rate", "messages a second"}, self.in_rate);
        io("out_rate", self.out_rate);
        io("oldest", self.oldest);
    }

    friend bool operator==(const MailboxStatus&, const MailboxStatus&) = default;
};

// Everything there is to show of one app: the unit of snapshots and deltas.
struct AppStatus {
    std::string id;
    std::string agent;  // filled in by who knows it
    std::string name;
    std::string comment;
    AppState state = AppState::Stopped;
    Desired desired = Desired::Stopped;
    WallTime since;                   // when `state` began
    std::string reason;               // why it is in `state`, one sentence
    std::string actor;                // who asked for the last start or stop
    std::optional<std::int32_t> pid;  // of the running leader
    std::optional<std::int32_t> last_pid;
    std::optional<WallTime> started;    // begin of the present or last run
    std::optional<WallTime> finished;   // end of the last run
    std::optional<ExitStatus> exit;     // of the last run that ended
    std::optional<WallTime> next_try;   // in backoff
    std::uint64_t restarts = 0;         // automatic ones since the user's last start
    std::optional<double> cpu_percent;  // of one core, the tree summed; unset: not sampled
    std::optional<std::uint64_t> rss_bytes;
    std::optional<std::uint32_t> processes;
    std::string command;
    std::string path;        // the app's directory
    std::string descriptor;  // the descriptor's file
    DescriptorKind descriptor_kind = DescriptorKind::Berth;
    BackendType backend = BackendType::Native;
    std::string backend_id;
    bool tty = false;
    bool autostart = false;
    std::vector<std::string> tags;
    std::string instance_of;           // the app that this is an instance of
    std::string check;                 // what its ready or health check has seen last
    std::string said;                  // STATUS=… over its NOTIFY_SOCKET
    std::string schedule;              // a cron time
    std::optional<WallTime> next_run;  // by its schedule
    std::vector<LimitStatus> limits;
    std::optional<MailboxStatus> mailbox;  // unset: nothing was ever sent to it
    std::string descriptor_note;   // how its file differs from what is registered; empty: not
    std::string log_note;          // what was done to its log from outside; empty, mostly
    bool changed_on_disk = false;  // running with an older descriptor than the registered one

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("id", self.id);
        io(Field{"agent", ""}, self.agent);
        io("name", self.name);
        io("comment", self.comment);
        io("state", self.state);
        io.derived("active", [&self] { return is_active(self.state); });
        io("desired", self.desired);
        io("reason", self.reason);
        io(Field{"actor", "actor", "who asked for its last start or stop"}, self.actor);
        io("since", self.since);
        io("pid", self.pid);
        io(Field{"", "last_pid"}, self.last_pid);
        io(Field{"", "exit"}, self.exit);
        io.derived("exit_code", [&self] { return spmi_exit_code(self.exit); });
        io.derived("signal", [&self] { return ending_signal(self.exit); });
        io("started", self.started);
        io("finished", self.finished);
        io("next_try", self.next_try);
        io("restarts", self.restarts);
        io(Field{"cpu_percent", "cpu"}, self.cpu_percent);
        io(Field{"rss_bytes", "rss"}, self.rss_bytes);
        io("processes", self.processes);
        io("command", self.command);
        io("path", self.path);
        io("descriptor", self.descriptor);
        io(Field{"", "kind"}, self.descriptor_kind);
        io("backend", self.backend);
        io("backend_id", self.backend_id);
        io("tty", self.tty);
        io("tags", self.tags);
        io("autostart", self.autostart);
        io(Field{"instance_of", "instance_of", "the app that this is an instance of"},
           self.instance_of);
        io(Field{"check", "check", "what its ready or health check has seen last"}, self.check);
        io(Field{"said", "said", "STATUS= over its NOTIFY_SOCKET"}, self.said);
        io("schedule", self.schedule);
        io(Field{"descriptor_note",
                 "descriptor_note",
                 "how its file differs from what is registered; empty when it does not"},
           self.descriptor_note);
        io(Field{"log_note", "log_note", "what was done to its log from outside"}, self.log_note);
        io("next_run", self.next_run);
        io(Field{"changed_on_disk", "changed"}, self.changed_on_disk);
        io("limits", self.limits);
        io("mailbox", self.mailbox);
    }

    friend bool operator==(const AppStatus&, const AppStatus&) = default;
};

// What the agent says of itself.
struct AgentInfo {
    std::string name;
    std::string version;
    std::string home;
    std::string host;
    std::int32_t pid = 0;
    std::int32_t keeper_pid = 0;
    WallTime started;
    std::vector<std::string> controllers;  // of cgroup v2, that hold limits here
    std::string problem;                   // why it cannot do all that it should; empty, mostly
    std::vector<std::string> complaints;   // what below its repos/ cannot be loaded, and why

    template <class IO, class Self>
    static void fields(IO& io, Self& self) {
        io("name", self.name);
        io("version", self.version);
        io("home", self.home);
        io("host", self.host);
        io("pid", self.pid);
        io("keeper_pid", self.keeper_pid);
        io("started", self.started);
        io("controllers", self.controllers);
        io("problem", self.problem);
        io("complaints", self.complaints);
    }

    friend bool operator==(const AgentInfo&, const AgentInfo&) = default;
};

}  // namespace berth
