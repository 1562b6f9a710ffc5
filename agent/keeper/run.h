#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_set>

#include "agent/keeper/handover.h"
#include "agent/keeper/limit_watch.h"
#include "agent/keeper/notify_socket.h"
#include "agent/keeper/records.h"
#include "agent/keeper/run_context.h"
#include "agent/keeper/run_streams.h"
#include "agent/keeper/tree.h"
#include "agent/keeperlink/messages.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// One run of one app: its process with all below it, from the gate to the last one's end. Owned by
// Runs, in the keeper's thread. A run that has ended keeps its record until it is forgotten, but
// holds no descriptors.
class Run {
public:
    using Changed = std::function<void(Run&)>;

    // `marker` tells its processes from all others.
    Run(RunContext& context, Record& record, std::string marker)
        : context_(context), record_(record), streams_(context, record) {
        tree_.marker = std::move(marker);
    }

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

    // The leader has ended: drains and records it. `failure` of the child, if one came over the
    // gate, makes it a failed start.
    void leader_ended(int wait_status, bool status_known);

    // Whether the tree is empty; then it is recorded and all descriptors are closed. Else `again`
    // is called when one of those left has ended.
    bool check_tree(const std::unordered_set<pid_t>& known_children, Changed again);

    // It has ended and its app has no later run: nothing of the system is kept for the next one.
    void remove_group() const;

    [[nodiscard]] RunStreams& streams() { return streams_; }

    // To those of it that live. A SIGKILL to the tree is as kill().
    void signal(int number,
                keeperlink::SignalScope scope,
                const std::unordered_set<pid_t>& known_children);

    // SIGKILL to its whole tree. To be repeated until that is empty, as it may grow meanwhile.
    void kill(const std::unordered_set<pid_t>& known_children);

    [[nodiscard]] bool killing() const { return killing_; }

    // Limits that are ours to look after while it runs.
    [[nodiscard]] WatchedLimits watched_limits() const;

    // Whether it uses more than these, and is not being killed yet; then that is why it ends.
    bool over_limit(const std::unordered_set<pid_t>& known_children);

    // The agent has stored its end already.
    void forget_when_gone() { forget_when_gone_ = true; }

    [[nodiscard]] bool is_forgotten_when_gone() const { return forget_when_gone_; }

    [[nodiscard]] keeperlink::RunName name() const { return {record_.id, record_.generation}; }

    [[nodiscard]] keeperlink::RunFact fact() const;

    [[nodiscard]] keeperlink::Started started() const {
        return {name(), record_.pid, record_.started_ns};
    }

    [[nodiscard]] keeperlink::RunPhase phase() const { return keeperlink::RunPhase{record_.phase}; }

    [[nodiscard]] bool finished() const {
        return phase() == keeperlink::RunPhase::Exited || phase() == keeperlink::RunPhase::Failed;
    }

    [[nodiscard]] bool tree_gone() const { return record_.tree_gone != 0; }

    [[nodiscard]] Record& record() { return record_; }

    [[nodiscard]] const TreeIdentity& tree() const { return tree_; }

    [[nodiscard]] bool leader_alive() const { return tree_.leader_alive; }

private:
    void set_cause(const Breach& breach);
    void leave_cgroup();
    void join_cgroup(const keeperlink::Start& start, os::UniqueFd& group);
    void find_cgroup();
    bool look_again(Changed again);
    void read_gate();
    void watch_gate();
    bool watch_leader(Changed ended);
    Result<void> open_notify_socket();
    void hear_notifications();

    void set_phase(keeperlink::RunPhase phase) { record_.phase = static_cast<std::uint8_t>(phase); }

    RunContext& context_;
    Record& record_;
    TreeIdentity tree_;
    RunStreams streams_;
    bool killing_ = false;
    bool forget_when_gone_ = false;
    os::UniqueFd gate_;
    std::optional<NotifySocket> notify_;
    Changed confirmed_;
    os::UniqueFd pidfd_;     // of an adopted leader
    os::UniqueFd survivor_;  // pidfd of one that outlived the leader
    loop::Registration gate_watch_;
    loop::Registration pidfd_watch_;
    loop::Registration survivor_watch_;
};

}  // namespace berth::keeper
