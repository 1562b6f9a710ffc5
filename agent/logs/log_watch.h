#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::logs {

// Tells when an app's log has grown. Costs nothing while nobody waits, and one event per waiter at
// the most, however fast the log grows.
class LogWatch {
public:
    static Result<std::unique_ptr<LogWatch>> create(loop::EventLoop& loop);

    // Calls `grown` once, at the next change of the folder (which is made when missing). Gives a
    // number for cancel().
    Result<std::uint64_t> wait(const std::string& folder, std::function<void()> grown);
    void cancel(std::uint64_t waiter);

private:
    LogWatch(loop::EventLoop& loop, os::UniqueFd fd);
    void readable();

    struct Waiter {
        int watch;
        std::function<void()> grown;
    };

    os::UniqueFd fd_;
    std::map<std::uint64_t, Waiter> waiters_;
    std::uint64_t next_ = 1;
    loop::Registration registration_;
};

}  // namespace berth::logs
