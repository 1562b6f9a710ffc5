#pragma once

#include <memory>
#include <optional>
#include <string>

#include "controller/service/agent_requests.h"
#include "controller/service/runner.h"
#include "shared/wire/line_joiner.h"
#include "shared/wire/status.h"

namespace berth::service {

// Which lines of a log.
struct LogQuery {
    std::string stream;  // "stdout", "stderr", "" for both
    std::string grep;    // "" for all
    std::optional<WallTime> since;
    std::optional<WallTime> before;
    std::optional<wire::LogPosition> after;  // on from here; else the last `lines`
    std::uint64_t lines = 0;
};

// A piece of a whole log.
struct LogText {
    std::string text;
    bool last = false;
};

// Fetches the next part of a log each time it is asked: however long the log and slow the reader,
// one part is in memory.
class LogDownload : public std::enable_shared_from_this<LogDownload> {
public:
    LogDownload(const AgentRequests& agents, AppAddress app)
        : agents_(agents), app_(std::move(app)) {}

    // Gives the next part on the fleet loop; called again only after it was given.
    void next(const Done<LogText>& done);

private:
    Result<LogText> text_of(const Result<wire::Value>& answer);

    const AgentRequests& agents_;
    AppAddress app_;
    std::optional<wire::LogPosition>
        position_;  // touched by one request at a time, as what follows
    wire::LineJoiner joiner_{wire::LineJoiner::Show::Whole, [](WallTime) { return std::string(); }};
};

// Reads logs. Any thread.
class Logs {
public:
    Logs(const Runner& runner, const AgentRequests& agents) : runner_(runner), agents_(agents) {}

    void read(const Caller& caller,
              const AppAddress& app,
              const LogQuery& query,
              const Done<wire::LogBatch>& done) const;

    // The whole log, in parts. Error: the caller may not.
    [[nodiscard]] Result<std::shared_ptr<LogDownload>> download(const Caller& caller,
                                                                const AppAddress& app) const;

private:
    const Runner& runner_;
    const AgentRequests& agents_;
};

}  // namespace berth::service
