#include "agent/events/stream.h"

#include <utility>

namespace berth::events {

namespace {

constexpr std::size_t kMost = 512;  // what a turn adds is read before it ends
constexpr Duration kOldest = std::chrono::hours(1);

}  // namespace

std::uint64_t Stream::append(Happened happened) {
    happened.seq = ++last_;
    events_.push_back(std::move(happened));
    return last_;
}

Stream::Part Stream::after(std::uint64_t seq) const {
    Part part;
    if (seq >= last_) {
        return part;
    }
    const std::uint64_t first = last_ - events_.size() + 1;  // of those that are kept
    part.complete = seq + 1 >= first;
    const std::size_t skipped = part.complete ? static_cast<std::size_t>(seq + 1 - first) : 0;
    part.events.reserve(events_.size() - skipped);
    for (std::size_t i = skipped; i < events_.size(); ++i) {
        part.events.push_back(&events_[i]);
    }
    return part;
}

void Stream::trim(WallTime now) {
    while (!events_.empty() && (events_.size() > kMost || now - events_.front().time > kOldest)) {
        events_.pop_front();
    }
}

Stream::Part Cursor::read(const Stream& stream) {
    Stream::Part part = stream.after(seq_);
    seq_ = stream.last();
    return part;
}

Changes changes_of(const Stream::Part& part) {
    Changes changes;
    for (const Happened* const happened : part.events) {
        if (happened->kind == Kind::Removed) {
            changes.changed.erase(happened->app);
            changes.removed.insert(happened->app);
        } else {
            changes.removed.erase(happened->app);
            changes.changed.insert(happened->app);
        }
    }
    return changes;
}

}  // namespace berth::events
