#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/time/clock.h"
#include "shared/wire/control.h"

namespace berth::fleet {

using FollowerId = std::uint64_t;

// A piece of an app's log on its way to those who follow it, made once for all of them.
struct LogPiece {
    std::string app;    // "agent/id"
    std::string lines;  // as they are rendered
    std::size_t count = 0;
    std::uint64_t skipped_lines = 0;  // before these: too much to be sent
    std::uint64_t skipped_bytes = 0;  // rotated away before they were read
    bool reset = false;               // the first piece: what was shown before is over
    std::string error;                // set: nothing follows, and this is why
};

// Of the first lines that a follower gets the last ones are enough.
enum class MostOf : std::uint8_t { All, Last };

// Reads the logs that somebody follows: one long-poll request for each app, whose answer goes to
// all its followers. A new follower first gets the last lines; it joins the common reading as soon
// as its place is the same. Fleet loop thread.
class LogFollows {
public:
    using Ask = std::function<void(const std::string& agent,
                                   const std::string& verb,
                                   wire::Value args,
                                   Duration deadline,
                                   std::function<void(Result<wire::Value>)> answer)>;
    // Pieces of `lines`, at least one, each of a bounded size.
    using Render =
        std::function<std::vector<LogPiece>(const std::vector<wire::LogLine>& lines, MostOf most)>;
    using Deliver =
        std::function<void(std::vector<FollowerId> to, std::shared_ptr<const LogPiece> piece)>;

    LogFollows(loop::EventLoop& loop, Ask ask, Render render, Deliver deliver);

    // Begins with the last `tail` lines. Following the same app again starts over.
    void follow(FollowerId follower,
                const std::string& agent,
                const std::string& id,
                std::uint64_t tail);
    void unfollow(FollowerId follower, const std::string& app);
    void drop(FollowerId follower);

    // How many requests are kept open; for tests.
    [[nodiscard]] std::size_t readings() const { return readings_.size(); }

private:
    // One place in one log, and who stands there.
    struct Reading {
        std::string agent;
        std::string id;
        std::string app;
        std::uint64_t tail = 0;
        std::optional<wire::LogPosition> position;  // nothing: the tail was not read yet
        std::set<FollowerId> followers;
        loop::Registration pause;
    };

    void remove_follower(FollowerId follower, const std::string* app);
    void read(std::uint64_t number);
    void answered(std::uint64_t number, const Result<wire::Value>& answer);
    void read_after(std::uint64_t number, Duration delay);
    void failed(std::uint64_t number, const Error& error);
    bool join_another(std::uint64_t number);
    void deliver(const Reading& reading, LogPiece piece);

    loop::EventLoop& loop_;
    Ask ask_;
    Render render_;
    Deliver deliver_;
    std::map<std::uint64_t, Reading> readings_;
    std::uint64_t next_ = 1;
};

}  // namespace berth::fleet
