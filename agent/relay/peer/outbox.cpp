#include "agent/relay/peer/outbox.h"

#include <algorithm>

namespace berth::relay {

namespace {

constexpr std::size_t kInARow = 64;  // of one lane, before it is the next one's turn
constexpr Duration kFirstPatience = std::chrono::milliseconds(200);
constexpr Duration kLongestPatience = std::chrono::seconds(10);

// What one message in flight counts: its payload and what goes with it.
std::size_t cost(const Outgoing& message) {
    constexpr std::size_t kAround = 64;
    return message.payload->size() + kAround;
}

}  // namespace

bool OutBox::has_room(std::size_t messages, std::size_t bytes, const MailboxLimits& limits) const {
    return count_ + messages <= limits.messages && bytes_ + bytes <= limits.bytes;
}

void OutBox::add(const Name& from, const Name& to, Outgoing message) {
    auto& lane = lanes_[{*from, *to}];
    if (lane == nullptr) {
        lane = std::make_unique<Lane>();
        lane->number = ++numbers_;
        lane->from = from;
        lane->to = to;
        by_number_.emplace(lane->number, lane.get());
    }
    ++count_;
    bytes_ += message.payload->size();
    total_ += message.payload->size();
    lane->messages.push_back(std::move(message));
}

void OutBox::wake(const std::string& from, const std::string& to) {
    const auto found = lanes_.find({from, to});
    if (found != lanes_.end()) {
        queue(*found->second);
    }
}

OutBox::Lane* OutBox::find(std::uint64_t number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

void OutBox::queue(Lane& lane) {
    if (!lane.queued && !lane.blocked && lane.sent < lane.messages.size()) {
        lane.queued = true;
        ready_.push_back(lane.number);
    }
}

std::optional<OutBox::Due> OutBox::next(std::uint64_t stored,
                                        MonoTime now,
                                        std::vector<Outgoing>& expired) {
    while (!ready_.empty()) {
        Lane* const lane = find(ready_.front());
        if (lane == nullptr || !lane->queued) {
            ready_.pop_front();
            continue;
        }
        Outgoing* message = nullptr;
        while (lane->sent < lane->messages.size() && message == nullptr) {
            Outgoing& candidate = lane->messages[lane->sent];
            if (candidate.durable && candidate.id > stored) {
                break;
            }
            ++lane->sent;
            if (candidate.gone) {
                continue;
            }
            if (candidate.expires <= now) {
                expired.push_back(candidate);
                drop(*lane, candidate);
                continue;
            }
            message = &candidate;
        }
        if (message == nullptr || ++lane->in_a_row >= kInARow) {
            ready_.pop_front();
            lane->queued = false;
            lane->in_a_row = 0;
        }
        if (message == nullptr) {
            (void)clear_up(*lane);
            continue;
        }
        queue(*lane);
        in_flight_ += cost(*message);
        Due due;
        due.payload = message->payload;
        due.parcel = {message->kind,
                      lane->number,
                      message->id,
                      lane->before,
                      *lane->from,
                      *lane->to,
                      message->time_ms,
                      0,
                      message->durable,
                      message->correlation,
                      *message->payload};
        if (message->expires != MonoTime::max()) {
            const auto left = (message->expires - now) / std::chrono::milliseconds(1);
            due.parcel.ttl_ms = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(left));
        }
        lane->before = message->id;
        return due;
    }
    return std::nullopt;
}

void OutBox::drop(Lane& lane, Outgoing& message) {
    --count_;
    bytes_ -= message.payload->size();
    total_ -= message.payload->size();
    message.gone = true;
    message.payload.reset();
    lane.patience = {};
}

bool OutBox::clear_up(Lane& lane) {
    while (!lane.messages.empty() && lane.messages.front().gone) {
        lane.messages.pop_front();
        lane.sent -= lane.sent > 0 ? 1 : 0;
    }
    if (!lane.messages.empty()) {
        return true;
    }
    by_number_.erase(lane.number);
    lanes_.erase({*lane.from, *lane.to});
    return false;
}

Name OutBox::receiver(std::uint64_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second->to;
}

std::optional<Outgoing> OutBox::settle(std::uint64_t number, std::uint64_t id) {
    Lane* const lane = find(number);
    if (lane == nullptr) {
        return std::nullopt;
    }
    const auto end = lane->messages.begin() + static_cast<std::ptrdiff_t>(lane->sent);
    const auto at = std::lower_bound(
        lane->messages.begin(), end, id, [](const Outgoing& message, std::uint64_t wanted) {
            return message.id < wanted;
        });
    if (at == end || at->id != id || at->gone) {
        return std::nullopt;
    }
    Outgoing settled = *at;
    in_flight_ -= cost(settled);
    drop(*lane, *at);
    (void)clear_up(*lane);
    return settled;
}

// A new attempt has a new number, so that verdicts on the old one do not count for it.
void OutBox::restart(Lane& lane) {
    for (std::size_t i = 0; i < lane.sent; ++i) {
        if (!lane.messages[i].gone) {
            in_flight_ -= cost(lane.messages[i]);
        }
    }
    by_number_.erase(lane.number);
    lane.number = ++numbers_;
    by_number_.emplace(lane.number, &lane);
    lane.sent = 0;
    lane.before = 0;
    lane.queued = false;
    lane.in_a_row = 0;
}

void OutBox::again(std::uint64_t number) {
    if (Lane* const lane = find(number)) {
        restart(*lane);
        queue(*lane);
    }
}

void OutBox::again_later(std::uint64_t number, MonoTime now) {
    Lane* const lane = find(number);
    if (lane == nullptr) {
        return;
    }
    restart(*lane);
    lane->patience = std::clamp<Duration>(lane->patience * 2, kFirstPatience, kLongestPatience);
    lane->blocked = now + lane->patience;
}

void OutBox::rewind() {
    ready_.clear();
    for (auto& [key, lane] : lanes_) {
        restart(*lane);
        queue(*lane);
    }
}

std::optional<MonoTime> OutBox::unblock(MonoTime now) {
    std::optional<MonoTime> next;
    for (auto& [key, lane] : lanes_) {
        if (lane->blocked && *lane->blocked <= now) {
            lane->blocked.reset();
            queue(*lane);
        } else if (lane->blocked) {
            next = next ? std::min(*next, *lane->blocked) : *lane->blocked;
        }
    }
    return next;
}

bool OutBox::take_back(const std::string& from, const std::string& to, std::uint64_t id) {
    const auto found = lanes_.find({from, to});
    if (found == lanes_.end()) {
        return false;
    }
    Lane& lane = *found->second;
    for (auto at = lane.messages.rbegin(); at != lane.messages.rend() && at->id >= id; ++at) {
        if (at->id == id && !at->gone) {
            drop(lane, *at);
            (void)clear_up(lane);
            return true;
        }
    }
    return false;
}

void OutBox::sweep(MonoTime now, std::vector<Outgoing>& expired) {
    std::vector<Lane*> lanes;
    for (auto& [key, lane] : lanes_) {
        lanes.push_back(lane.get());
    }
    for (Lane* const lane : lanes) {
        for (std::size_t i = lane->sent; i < lane->messages.size(); ++i) {
            Outgoing& message = lane->messages[i];
            if (!message.gone && message.expires <= now) {
                expired.push_back(message);
                drop(*lane, message);
            }
        }
        (void)clear_up(*lane);
    }
}

std::vector<Outgoing> OutBox::clear() {
    std::vector<Outgoing> all;
    for_each([&all](const auto&, const auto&, const Outgoing& message) { all.push_back(message); });
    lanes_.clear();
    by_number_.clear();
    ready_.clear();
    total_ -= bytes_;
    count_ = bytes_ = in_flight_ = 0;
    return all;
}

std::optional<std::uint64_t> OutBox::oldest_ms() const {
    std::optional<std::uint64_t> oldest;
    for (const auto& [key, lane] : lanes_) {
        const auto at = std::find_if(lane->messages.begin(),
                                     lane->messages.end(),
                                     [](const Outgoing& message) { return !message.gone; });
        if (at != lane->messages.end()) {
            oldest = oldest ? std::min(*oldest, at->time_ms) : at->time_ms;
        }
    }
    return oldest;
}

}  // namespace berth::relay
