#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/keeperlink/link.h"
#include "agent/keeperlink/messages.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::native {

// The agent's side of the keeper: what it knows arrives as events, in the loop. When the keeper
// dies, starts the next one, which takes over its apps. One that hangs is left alone, for it holds
// the apps: that is said, and nothing else can be done.
class KeeperClient {
public:
    struct Events {
        // All runs that the keeper has records of, after each (re)connect, before anything else.
        std::function<void(const std::vector<keeperlink::RunFact>& runs, std::int32_t keeper_pid)>
            snapshot;
        std::function<void(const keeperlink::Message& fact)> fact;
        // It has been silent for too long, or answers again: see problem().
        std::function<void()> problem_changed;
        // The keeper is of another version, and starts the agent that belongs to it: we are to end.
        std::function<void()> replaced;
    };

    // `command` starts a keeper: program and arguments, to which the descriptor is added.
    KeeperClient(loop::EventLoop& loop, std::vector<std::string> command, Events events);

    // The descriptor that the keeper gave us at our start.
    void connect(os::UniqueFd socket);

    // Starts a keeper ourselves.
    Result<void> start_keeper();

    // Nothing is lost when the keeper is away: whoever said it says it again after the next
    // snapshot.
    void send(const keeperlink::Message& message);
    void flush();

    // While somebody watches, a keeper that is silent is found out; else when it is asked for
    // something, so that nothing wakes up for nobody.
    void watch(bool watched);

    // Calls back with the time it took once the keeper has taken in all that was sent before, and
    // has told all that it knew then; not at all when it dies first.
    using Confirmed = std::function<void(Duration took)>;
    void confirm(Confirmed confirmed);

    [[nodiscard]] bool ready() const { return ready_; }

    // Why nothing can be started or ended now; empty, mostly.
    [[nodiscard]] const std::string& problem() const { return problem_; }

    [[nodiscard]] std::int32_t keeper_pid() const { return keeper_pid_; }

    [[nodiscard]] const std::string& cgroup() const { return cgroup_; }

    // Of cgroup v2, that hold limits here.
    [[nodiscard]] const std::vector<std::string>& controllers() const { return controllers_; }

    // No new keeper when this one goes: we go too.
    void leave() { leaving_ = true; }

private:
    void received(const keeperlink::Message& message);
    void snapshot_ended(const keeperlink::SnapshotEnd& end);
    void closed(const Error& why);
    void answered(const keeperlink::Pong& pong);
    void heard();
    void look_after();
    void look_after_in(Duration delay);
    void set_problem(std::string problem);

    loop::EventLoop& loop_;
    std::vector<std::string> command_;
    Events events_;
    std::unique_ptr<keeperlink::Link> link_;
    std::vector<keeperlink::RunFact> runs_;
    std::int32_t keeper_pid_ = 0;
    std::int32_t child_ = 0;  // the keeper that we started, to be reaped
    std::string cgroup_;
    std::vector<std::string> controllers_;
    bool ready_ = false;
    bool leaving_ = false;
    loop::Registration retry_;
    std::optional<MonoTime> spoken_;  // when we first said something that it has not reacted to

    struct Question {
        MonoTime asked;
        Confirmed confirmed;
    };

    std::map<std::uint64_t, Question> questions_;  // by token
    std::uint64_t next_question_ = 1;
    bool watched_ = false;
    std::string problem_;
    loop::Registration look_after_;
};

}  // namespace berth::native
