#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// The agent that works with this keeper: starts it, and again when it dies. One that was killed, or
// ran for a while, is started again at once; one that fails at once, with growing delay.
class AgentProcess {
public:
    // `started` gets our end of the new socketpair.
    AgentProcess(loop::EventLoop& loop,
                 std::vector<std::string> command,
                 std::function<void(os::UniqueFd)> started);

    // Starts one, now. With `shutdown` it is told to stop all apps and leave.
    void start(bool shutdown);

    // Started by somebody else (it has started us).
    void attach(pid_t pid) { pid_ = pid; }

    // It has ended, or its link has closed: starts the next one, now or later.
    void ended(bool killed, bool shutdown);

    void cancel() { retry_.reset(); }

    [[nodiscard]] pid_t pid() const { return pid_; }

    void forget() { pid_ = 0; }

private:
    loop::EventLoop& loop_;
    std::vector<std::string> command_;
    std::function<void(os::UniqueFd)> started_;
    pid_t pid_ = 0;
    MonoTime started_at_;
    std::uint32_t quick_failures_ = 0;
    loop::Registration retry_;
};

}  // namespace berth::keeper
