#include "controller/fleet/log_follow.h"

#include "controller/fleet/fleet_view.h"

namespace berth::fleet {

namespace {

constexpr std::size_t kMaxReadings = 2000;
constexpr std::int64_t kWaitMs = 25'000;
constexpr std::uint64_t kMaxLines = 1000;
constexpr Duration kDeadline = std::chrono::seconds(30);
constexpr Duration kPace = std::chrono::milliseconds(50);  // between two pieces
constexpr Duration kRetry = std::chrono::seconds(1);

}  // namespace

LogFollows::LogFollows(loop::EventLoop& loop, Ask ask, Render render, Deliver deliver)
    : loop_(loop), ask_(std::move(ask)), render_(std::move(render)), deliver_(std::move(deliver)) {}

void LogFollows::follow(FollowerId follower,
                        const std::string& agent,
                        const std::string& id,
                        std::uint64_t tail) {
    Reading reading;
    reading.agent = agent;
    reading.id = id;
    reading.app = app_key(agent, id);
    reading.tail = tail;
    reading.followers.insert(follower);
    unfollow(follower, reading.app);
    if (readings_.size() >= kMaxReadings) {
        LogPiece piece;
        piece.error = "too many logs are followed at once";
        return deliver(reading, std::move(piece));
    }
    const std::uint64_t number = next_++;
    readings_.emplace(number, std::move(reading));
    read(number);
}

void LogFollows::unfollow(FollowerId follower, const std::string& app) {
    remove_follower(follower, &app);
}

void LogFollows::drop(FollowerId follower) {
    remove_follower(follower, nullptr);
}

void LogFollows::remove_follower(FollowerId follower, const std::string* app) {
    for (auto entry = readings_.begin(); entry != readings_.end();) {
        Reading& reading = entry->second;
        const bool left = (app == nullptr || reading.app == *app) &&
                          reading.followers.erase(follower) != 0 && reading.followers.empty();
        entry = left ? readings_.erase(entry) : std::next(entry);
    }
}

void LogFollows::read(std::uint64_t number) {
    const auto found = readings_.find(number);
    if (found == readings_.end()) {
        return;
    }
    const Reading& reading = found->second;
    wire::Value::Map args{{"id", reading.id}};
    if (reading.position) {
        args.emplace_back("position", wire::to_value(*reading.position));
        args.emplace_back("wait_ms", kWaitMs);
        args.emplace_back("max_lines", kMaxLines);
    } else {
        args.emplace_back("tail", reading.tail);
    }
    const std::string agent = reading.agent;  // the answer may come at once and erase the reading
    ask_(agent,
         "logs",
         std::move(args),
         kDeadline,
         [this, number](const Result<wire::Value>& answer) { answered(number, answer); });
}

void LogFollows::answered(std::uint64_t number, const Result<wire::Value>& answer) {
    const auto found = readings_.find(number);
    if (found == readings_.end()) {
        return;  // nobody follows any more
    }
    if (!answer) {
        return failed(number, answer.error());
    }
    Reading& reading = found->second;
    const wire::LogBatch batch = wire::to_log_batch(*answer);
    const bool reset = !reading.position;
    auto pieces = render_(batch.lines, reset ? MostOf::Last : MostOf::All);
    pieces.front().reset = reset;
    pieces.front().skipped_bytes = reset ? 0 : batch.skipped_bytes;
    const bool silent = batch.lines.empty() && reading.position == batch.next;
    reading.position = batch.next;
    for (LogPiece& piece : pieces) {
        if (piece.reset || piece.count > 0 || piece.skipped_bytes > 0) {
            deliver(reading, std::move(piece));
        }
    }
    if (join_another(number)) {
        return;
    }
    // An agent that answers at once with nothing must not be asked in a circle either.
    read_after(number, silent ? 2 * kPace : kPace);
}

// Followers of the same app at the same place share one request.
bool LogFollows::join_another(std::uint64_t number) {
    const auto self = readings_.find(number);
    for (auto& [other_number, other] : readings_) {
        if (other_number != number && other.app == self->second.app &&
            other.position == self->second.position) {
            other.followers.insert(self->second.followers.begin(), self->second.followers.end());
            readings_.erase(self);
            return true;
        }
    }
    return false;
}

void LogFollows::read_after(std::uint64_t number, Duration delay) {
    const auto found = readings_.find(number);
    if (found != readings_.end()) {
        found->second.pause = loop_.after(delay, [this, number] { read(number); });
    }
}

void LogFollows::failed(std::uint64_t number, const Error& error) {
    if (error.code == ErrorCode::Unavailable || error.code == ErrorCode::TimedOut) {
        return read_after(number, kRetry);  // goes on where it was when the agent is back
    }
    const auto found = readings_.find(number);
    LogPiece piece;
    piece.error = error.message;
    deliver(found->second, std::move(piece));
    readings_.erase(found);
}

void LogFollows::deliver(const Reading& reading, LogPiece piece) {
    piece.app = reading.app;
    deliver_({reading.followers.begin(), reading.followers.end()},
             std::make_shared<const LogPiece>(std::move(piece)));
}

}  // namespace berth::fleet
