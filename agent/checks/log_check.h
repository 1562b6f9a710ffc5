#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/logs/log_reader.h"
#include "agent/logs/log_watch.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::checks {

// Waits for a line of an app's log, of this run, that matches an expression (RE2, found anywhere in
// the line, or in what there is of one that is not finished). Reads when the log has grown;
// destroying it ends the wait.
class LogCheck {
public:
    // Calls `found` once, from the loop. Error: the expression does not compile, or the log cannot
    // be watched.
    static Result<std::unique_ptr<LogCheck>> begin(loop::EventLoop& loop,
                                                   logs::LogWatch& watch,
                                                   const std::string& folder,
                                                   WallTime since,
                                                   const std::string& expression,
                                                   std::function<void()> found);
    ~LogCheck();
    LogCheck(const LogCheck&) = delete;
    LogCheck& operator=(const LogCheck&) = delete;

private:
    LogCheck(loop::EventLoop& loop,
             logs::LogWatch& watch,
             const std::string& folder,
             logs::LogQuery query,
             std::function<void()> found)
        : loop_(loop),
          watch_(watch),
          reader_(folder),
          query_(std::move(query)),
          found_(std::move(found)) {}

    Result<void> wait();
    void look();

    loop::EventLoop& loop_;
    logs::LogWatch& watch_;
    logs::LogReader reader_;
    logs::LogQuery query_;
    std::function<void()> found_;
    std::optional<std::uint64_t> waiter_;
    loop::Registration soon_;
};

}  // namespace berth::checks
