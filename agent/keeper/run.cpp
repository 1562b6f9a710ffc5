#include "agent/keeper/run.h"

#include <signal.h>

#include <algorithm>

#include "agent/keeper/spawn.h"
#include "shared/log/log.h"
#include "shared/os/cgroup_limits.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::RunPhase;
using keeperlink::StartStage;
using loop::Interest;

namespace {

constexpr Duration kLookAgain = std::chrono::milliseconds(100);

std::int64_t wall_ns(const loop::EventLoop& loop) {
    return loop.now().wall.time_since_epoch().count();
}

}  // namespace

Result<void> Run::open_notify_socket() {
    BERTH_TRY(NotifySocket socket,
              NotifySocket::open(context_.loop,
                                 NotifySocket::name(context_.home_id, name()),
                                 [this](const Notification& said) {
                                     const bool ours =
                                         said.pid == tree_.leader || is_member(tree_, said.pid);
                                     if (!ours || said.message == keeperlink::Notified()) {
                                         // A stranger, or gone before we looked; or a barrier.
                                         return;
                                     }
                                     keeperlink::Notified message = said.message;
                                     message.run = name();
                                     record_.ready = message.ready ? 1 : record_.ready;
                                     context_.tell(message);
                                 }));
    notify_.emplace(std::move(socket));
    return {};
}

Result<void> Run::spawn(const keeperlink::Start& start, Changed confirmed) {
    record_.tty = start.tty ? 1 : 0;
    record_.notify = start.notify ? 1 : 0;
    record_.log_max_size = start.log_max_size;
    record_.log_keep = start.log_keep;
    record_.log_max_total = start.log_max_total;
    BERTH_CHECK(streams_.open());
    os::UniqueFd group;
    join_cgroup(start, group);
    std::vector<std::string> own_environment = {tree_.marker};
    if (start.notify) {
        BERTH_CHECK(open_notify_socket());
        own_environment.push_back("NOTIFY_SOCKET=@" + NotifySocket::name(context_.home_id, name()));
    }
    BERTH_TRY(Spawned spawned,
              spawn_at_gate(start,
                            streams_.paths(),
                            own_environment,
                            {context_.original_nofile,
                             group.get(),
                             &context_.nursery,
                             &record_,
                             context_.reserve}));
    if (spawned.begun) {
        // What the app writes is stamped with the time of the loop's turn, which may be this one:
        // no line of a run is older than the run.
        record_.started_ns = std::min(record_.started_ns, wall_ns(context_.loop));
    }
    if (!spawned.begun || record_.pid != spawned.pid) {
        // From here to the byte on the gate the child waits; without it, it ends. So a run that is
        // not recorded never begins.
        const auto stat = os::read_stat(spawned.pid);
        record_.start_ticks = stat ? stat->start_ticks : 0;
        record_.started_ns = wall_ns(context_.loop);
        record_.pid = spawned.pid;
    }
    tree_.leader = spawned.pid;
    tree_.start_ticks = record_.start_ticks;
    tree_.leader_alive = true;
    gate_ = std::move(spawned.gate);
    confirmed_ = std::move(confirmed);
    streams_.watch();
    watch_gate();
    if (!spawned.begun) {
        // Fails when the child was killed: its end is seen as usual.
        (void)os::send_some(gate_.get(), "g");
    }
    return {};
}

// The group of its own that the process is made in, with its limits.
void Run::join_cgroup(const keeperlink::Start& start, os::UniqueFd& group) {
    record_.memory_max = start.memory_max;
    record_.pids_max = start.pids_max;
    if (!context_.cgroup) {
        return;
    }
    auto cgroup = context_.cgroup->child(record_.id);
    auto opened = cgroup ? cgroup->open() : Result<os::UniqueFd>(fail(cgroup.error()));
    if (!opened) {
        return;
    }
    const auto limit = [](auto value) { return value == 0 ? std::nullopt : std::optional(value); };
    const os::GroupLimits limits{
        limit(start.memory_max), limit(start.cpu_percent), limit(start.pids_max)};
    if (auto applied = os::apply_limits(cgroup->path(), limits, context_.controllers); !applied) {
        log::warning("a limit does not hold",
                     {{"app", record_.id}, {"error", applied.error().message}});
    } else {
        for (const std::string& controller : context_.controllers) {
            record_.memory_max = controller == "memory" ? 0 : record_.memory_max;
            record_.pids_max = controller == "pids" ? 0 : record_.pids_max;
        }
    }
    tree_.cgroup = std::move(*cgroup);
    group = std::move(*opened);
}

WatchedLimits Run::watched_limits() const {
    return tree_gone() ? WatchedLimits() : WatchedLimits{record_.memory_max, record_.pids_max};
}

bool Run::over_limit(const std::unordered_set<pid_t>& known_children) {
    const WatchedLimits limits = watched_limits();
    if (!limits.any() || killing_) {
        return false;
    }
    const auto breach = find_breach(limits, tree_, known_children);
    if (breach) {
        set_cause(*breach);
    }
    return breach.has_value();
}

void Run::signal(int number,
                 keeperlink::SignalScope scope,
                 const std::unordered_set<pid_t>& known_children) {
    switch (scope) {
        case keeperlink::SignalScope::Leader:
            if (tree_.leader_alive) {
                (void)os::send_signal_to(tree_.leader, number);
            }
            return;
        case keeperlink::SignalScope::Group:
            if (tree_.leader_alive) {
                (void)os::send_signal_to_group(tree_.leader, number);
            }
            return;
        case keeperlink::SignalScope::Tree:
            break;
    }
    if (number == SIGKILL) {
        kill(known_children);
    } else {
        signal_tree(tree_, tree_members(tree_, known_children), number);
    }
}

void Run::kill(const std::unordered_set<pid_t>& known_children) {
    killing_ = true;
    kill_tree(tree_, tree_members(tree_, known_children));
}

void Run::set_cause(const Breach& breach) {
    record_.cause_used = breach.used;
    record_.cause = static_cast<std::uint8_t>(breach.cause);
}

void Run::read_gate() {
    ChildFailure failure{};
    const os::IoOutcome outcome =
        os::read_some(gate_.get(), reinterpret_cast<char*>(&failure), sizeof failure);
    if (outcome.status == os::IoStatus::WouldBlock) {
        return;
    }
    if (outcome.status == os::IoStatus::Done && outcome.bytes == sizeof failure) {
        record_.stage = failure.stage;
        record_.os_errno = failure.os_errno;
        gate_watch_.reset();
        gate_.reset();
        return;
    }
    gate_watch_.reset();  // closed by exec, or by a death before it, which looks like any other
    gate_.reset();
    set_phase(RunPhase::Running);
    if (confirmed_) {
        confirmed_(*this);
    }
}

void Run::watch_gate() {
    gate_watch_ =
        context_.loop.watch(gate_.get(), Interest::Read, [this](bool, bool) { read_gate(); });
}

void Run::leader_ended(int wait_status, bool status_known) {
    if (gate_.valid()) {
        read_gate();
    }
    streams_.drain();
    if (record_.cause == 0 && tree_.cgroup && !context_.controllers.empty() &&
        os::oom_kills(tree_.cgroup->path()) > 0) {
        set_cause({keeperlink::EndCause::OutOfMemory, 0});
    }
    record_.wait_status = wait_status;
    record_.status_known = status_known ? 1 : 0;
    record_.ended_ns = wall_ns(context_.loop);
    // The phase says that the rest holds, so it comes last.
    const bool failed_before_exec = record_.os_errno != 0;
    set_phase(failed_before_exec ? RunPhase::Failed : RunPhase::Exited);
    tree_.leader_alive = false;
    gate_watch_.reset();
    gate_.reset();
    pidfd_watch_.reset();
    pidfd_.reset();
}

// The group stays for the app's next run, as it costs more to make than all else of a start;
// without what the app made below it. One that has counted a kill is made anew, so that no later
// run is blamed for it.
void Run::leave_cgroup() {
    tree_.cgroup->clear();
    if (!context_.controllers.empty() && os::oom_kills(tree_.cgroup->path()) > 0) {
        (void)tree_.cgroup->remove();
    }
    tree_.cgroup.reset();
}

void Run::remove_group() const {
    if (context_.cgroup) {
        (void)context_.cgroup->at(record_.id).remove();  // or it has gone already
    }
}

bool Run::check_tree(const std::unordered_set<pid_t>& known_children, Changed again) {
    survivor_watch_.reset();
    survivor_.reset();
    if (tree_.cgroup && tree_.cgroup->empty()) {
        leave_cgroup();
    } else {
        for (const pid_t pid : tree_members(tree_, known_children)) {
            auto pidfd = os::open_pidfd(pid);
            const auto stat = os::read_stat(pid);
            if (!pidfd && os::means_exhausted(pidfd.error().os_errno)) {
                return look_again(std::move(again));
            }
            if (pidfd && stat && stat->state != 'Z') {
                survivor_ = std::move(*pidfd);
                survivor_watch_ = context_.loop.watch(
                    survivor_.get(), Interest::Read, [this, again = std::move(again)](bool, bool) {
                        const Changed call = again;  // it replaces this watch
                        call(*this);
                    });
                return false;
            }
        }
        if (!os::can_walk()) {
            return look_again(std::move(again));
        }
        if (tree_.cgroup) {
            leave_cgroup();  // the last one died meanwhile, or is a zombie still
        }
    }
    streams_.close();
    notify_.reset();
    record_.tree_gone = 1;
    return true;
}

// Who is left cannot be seen now. False, for check_tree().
bool Run::look_again(Changed again) {
    survivor_watch_ = context_.loop.after(kLookAgain, [this, again = std::move(again)] {
        const Changed call = again;  // it replaces this timer
        call(*this);
    });
    return false;
}

keeperlink::RunFact Run::fact() const {
    keeperlink::RunFact fact;
    fact.run = name();
    fact.phase = phase();
    fact.pid = record_.pid;
    fact.started_ns = record_.started_ns;
    fact.ended_ns = record_.ended_ns;
    fact.wait_status = record_.wait_status;
    fact.status_known = record_.status_known != 0;
    fact.tree_gone = record_.tree_gone != 0;
    fact.stage = StartStage{record_.stage};
    fact.os_errno = record_.os_errno;
    fact.ready = record_.ready != 0;
    fact.cause = keeperlink::EndCause{record_.cause};
    fact.cause_used = record_.cause_used;
    return fact;
}

// --- what an earlier keeper has begun

// The group that an earlier keeper has made for it, if anything is left in it.
void Run::find_cgroup() {
    tree_.leader = record_.pid;
    tree_.start_ticks = record_.start_ticks;
    if (context_.cgroup) {
        auto cgroup = context_.cgroup->child(record_.id);
        if (cgroup && !cgroup->processes().empty()) {
            tree_.cgroup = std::move(*cgroup);
        }
    }
}

bool Run::adopt(Changed ended) {
    tree_.adopted = true;
    find_cgroup();
    if (auto opened = streams_.reopen(); !opened) {
        log::warning("cannot read on what an app writes",
                     {{"app", record_.id}, {"error", opened.error().message}});
    }
    return watch_leader(std::move(ended));
}

RunHandover Run::hand_over() const {
    RunHandover to;
    to.id = record_.id;
    to.generation = record_.generation;
    to.gate = gate_.get();
    to.adopted = tree_.adopted;
    to.killing = killing_;
    to.forget_when_gone = forget_when_gone_;
    streams_.hand_over(to);
    return to;
}

bool Run::resume(const RunHandover& from, Changed confirmed, Changed ended) {
    killing_ = from.killing;
    forget_when_gone_ = from.forget_when_gone;
    tree_.adopted = from.adopted;
    if (tree_gone()) {
        return false;
    }
    find_cgroup();
    streams_.resume(from);
    if (from.gate >= 0) {
        gate_ = os::UniqueFd(from.gate);
        confirmed_ = std::move(confirmed);
        watch_gate();
    }
    if (finished()) {
        return false;
    }
    if (!from.adopted) {
        tree_.leader_alive = true;
        hear_notifications();
        return true;
    }
    if (!watch_leader(ended)) {
        ended(*this);
    }
    return false;
}

void Run::hear_notifications() {
    if (record_.notify == 0) {
        return;
    }
    if (auto socket = open_notify_socket(); !socket) {
        log::warning("cannot hear an app's notifications any more",
                     {{"app", record_.id}, {"error", socket.error().message}});
    }
}

// The leader is not our child: its pidfd tells when it ends. False: it has ended.
bool Run::watch_leader(Changed ended) {
    auto pidfd =
        record_.pid > 0 ? os::open_process({record_.pid, record_.start_ticks}) : std::nullopt;
    if (!pidfd) {
        return false;
    }
    set_phase(RunPhase::Running);
    tree_.leader_alive = true;
    hear_notifications();
    pidfd_ = std::move(*pidfd);
    pidfd_watch_ = context_.loop.watch(
        pidfd_.get(), Interest::Read, [this, ended = std::move(ended)](bool, bool) {
            ended(*this);
        });
    return true;
}

}  // namespace berth::keeper
