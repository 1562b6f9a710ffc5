#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

//   None ──start──▶ Ours ──its link is down──▶ Ending ──it has ended──▶ None
//    ▲                └──of another version──▶ Refused ──────┘
//    └──its link is down── Foreign
enum class AgentLife : std::uint8_t {
    None,     // mostly the next one begins soon
    Ours,     // our child, and it talks to us
    Foreign,  // it has started us and talks to us: nobody will tell us of its end
    Ending,   // our child, which has closed its link: it ends by itself, or is killed
    Refused,  // our child, of no use: its end is a failure of its own, although we may kill it
};

// The agent that works with this keeper: starts it, and again when it dies. One that was killed, or
// ran for a while, is started again at once; one that fails at once, with growing delay. Owned by
// the Keeper, in its thread; it has the link, and says how that fares.
class AgentProcess {
public:
    // `started` gets our end of the new socketpair.
    AgentProcess(loop::EventLoop& loop,
                 std::vector<std::string> command,
                 std::function<void(os::UniqueFd)> started);

    // Starts one, now. With `shutdown` it is told to stop all apps and leave.
    void start(bool shutdown);

    // Starts the next one, now or later, by how the last has ended.
    void start_again(bool shutdown);

    // The agent that has started us, and waits at the other end of `socket`.
    void attach(const os::UniqueFd& socket);

    // Which process it is, as it says: not our child, when it is Foreign or begun by a wrapper.
    void greeted(pid_t pid);

    // Its link is down: it must not live on beside the next one. `refused`: it speaks another
    // version. True: that was all, nobody will tell us of its end.
    bool link_lost(bool refused);

    // A child of ours has ended. True: it was the agent.
    bool ended(const siginfo_t& info);

    // False: there is none.
    [[nodiscard]] bool signal(int number) const;

    // With what it has started, such as a keeper that waits for our lock.
    void kill() const;

    // How often in a row it ended right after its start.
    [[nodiscard]] std::uint32_t quick_failures() const { return quick_failures_; }

    // No other is started.
    void give_up() { retry_.reset(); }

    [[nodiscard]] AgentLife life() const { return life_; }

    // Of our child; 0: none.
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    loop::EventLoop& loop_;
    std::vector<std::string> command_;
    std::function<void(os::UniqueFd)> started_;
    AgentLife life_ = AgentLife::None;
    pid_t pid_ = 0;
    os::UniqueFd pidfd_;  // of who has greeted us
    MonoTime started_at_;
    bool killed_ = true;  // the last one, by somebody else
    std::uint32_t quick_failures_ = 0;
    loop::Registration retry_;
    loop::Registration patience_;
};

}  // namespace berth::keeper
