#include "agent/relay/peer/outbox.h"

#include <algorithm>

namespace berth::relay {

namespace {

constexpr std::size_t kInARow = 64;  // of one stream, before it is the next one's turn
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
    auto& stream = streams_[{*from, *to}];
    if (stream == nullptr) {
        stream = std::make_unique<Stream>();
        stream->number = ++numbers_;
        stream->from = from;
        stream->to = to;
        by_number_.emplace(stream->number, stream.get());
    }
    ++count_;
    bytes_ += message.payload->size();
    total_ += message.payload->size();
    stream->messages.push_back(std::move(message));
}

void OutBox::wake(const std::string& from, const std::string& to) {
    const auto found = streams_.find({from, to});
    if (found != streams_.end()) {
        queue(*found->second);
    }
}

OutBox::Stream* OutBox::find(std::uint64_t number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

void OutBox::queue(Stream& stream) {
    if (!stream.queued && !stream.blocked && stream.sent < stream.messages.size()) {
        stream.queued = true;
        ready_.push_back(stream.number);
    }
}

std::optional<OutBox::Due> OutBox::next(std::uint64_t stored,
                                        MonoTime now,
                                        std::vector<Outgoing>& expired) {
    while (!ready_.empty()) {
        Stream* const stream = find(ready_.front());
        if (stream == nullptr || !stream->queued) {
            ready_.pop_front();
            continue;
        }
        Outgoing* message = nullptr;
        while (stream->sent < stream->messages.size() && message == nullptr) {
            Outgoing& candidate = stream->messages[stream->sent];
            if (candidate.durable && candidate.id > stored) {
                break;
            }
            ++stream->sent;
            if (candidate.gone) {
                continue;
            }
            if (candidate.expires <= now) {
                expired.push_back(candidate);
                drop(*stream, candidate);
                continue;
            }
            message = &candidate;
        }
        if (message == nullptr || ++stream->in_a_row >= kInARow) {
            ready_.pop_front();
            stream->queued = false;
            stream->in_a_row = 0;
        }
        if (message == nullptr) {
            (void)clear_up(*stream);
            continue;
        }
        queue(*stream);
        in_flight_ += cost(*message);
        Due due;
        due.payload = message->payload;
        due.envelope = {message->kind,
                        stream->number,
                        message->id,
                        stream->before,
                        *stream->from,
                        *stream->to,
                        message->time_ms,
                        0,
                        message->durable,
                        message->correlation,
                        *message->payload};
        if (message->expires != MonoTime::max()) {
            const auto left = (message->expires - now) / std::chrono::milliseconds(1);
            due.envelope.ttl_ms = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(left));
        }
        stream->before = message->id;
        return due;
    }
    return std::nullopt;
}

void OutBox::drop(Stream& stream, Outgoing& message) {
    --count_;
    bytes_ -= message.payload->size();
    total_ -= message.payload->size();
    message.gone = true;
    message.payload.reset();
    stream.patience = {};
}

bool OutBox::clear_up(Stream& stream) {
    while (!stream.messages.empty() && stream.messages.front().gone) {
        stream.messages.pop_front();
        stream.sent -= stream.sent > 0 ? 1 : 0;
    }
    if (!stream.messages.empty()) {
        return true;
    }
    by_number_.erase(stream.number);
    streams_.erase({*stream.from, *stream.to});
    return false;
}

Name OutBox::receiver(std::uint64_t number) const {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second->to;
}

std::optional<Outgoing> OutBox::settle(std::uint64_t number, std::uint64_t id) {
    Stream* const stream = find(number);
    if (stream == nullptr) {
        return std::nullopt;
    }
    const auto end = stream->messages.begin() + static_cast<std::ptrdiff_t>(stream->sent);
    const auto at = std::lower_bound(
        stream->messages.begin(), end, id, [](const Outgoing& message, std::uint64_t wanted) {
            return message.id < wanted;
        });
    if (at == end || at->id != id || at->gone) {
        return std::nullopt;
    }
    Outgoing settled = *at;
    in_flight_ -= cost(settled);
    drop(*stream, *at);
    (void)clear_up(*stream);
    return settled;
}

// A new attempt has a new number, so that receipts on the old one do not count for it.
void OutBox::restart(Stream& stream) {
    for (std::size_t i = 0; i < stream.sent; ++i) {
        if (!stream.messages[i].gone) {
            in_flight_ -= cost(stream.messages[i]);
        }
    }
    by_number_.erase(stream.number);
    stream.number = ++numbers_;
    by_number_.emplace(stream.number, &stream);
    stream.sent = 0;
    stream.before = 0;
    stream.queued = false;
    stream.in_a_row = 0;
}

void OutBox::again(std::uint64_t number) {
    if (Stream* const stream = find(number)) {
        restart(*stream);
        queue(*stream);
    }
}

void OutBox::again_later(std::uint64_t number, MonoTime now) {
    Stream* const stream = find(number);
    if (stream == nullptr) {
        return;
    }
    restart(*stream);
    stream->patience = std::clamp<Duration>(stream->patience * 2, kFirstPatience, kLongestPatience);
    stream->blocked = now + stream->patience;
}

void OutBox::rewind() {
    ready_.clear();
    for (auto& [key, stream] : streams_) {
        restart(*stream);
        queue(*stream);
    }
}

std::optional<MonoTime> OutBox::unblock(MonoTime now) {
    std::optional<MonoTime> next;
    for (auto& [key, stream] : streams_) {
        if (stream->blocked && *stream->blocked <= now) {
            stream->blocked.reset();
            queue(*stream);
        } else if (stream->blocked) {
            next = next ? std::min(*next, *stream->blocked) : *stream->blocked;
        }
    }
    return next;
}

bool OutBox::take_back(const std::string& from, const std::string& to, std::uint64_t id) {
    const auto found = streams_.find({from, to});
    if (found == streams_.end()) {
        return false;
    }
    Stream& stream = *found->second;
    for (auto at = stream.messages.rbegin(); at != stream.messages.rend() && at->id >= id; ++at) {
        if (at->id == id && !at->gone) {
            drop(stream, *at);
            (void)clear_up(stream);
            return true;
        }
    }
    return false;
}

void OutBox::sweep(MonoTime now, std::vector<Outgoing>& expired) {
    std::vector<Stream*> streams;
    for (auto& [key, stream] : streams_) {
        streams.push_back(stream.get());
    }
    for (Stream* const stream : streams) {
        for (std::size_t i = stream->sent; i < stream->messages.size(); ++i) {
            Outgoing& message = stream->messages[i];
            if (!message.gone && message.expires <= now) {
                expired.push_back(message);
                drop(*stream, message);
            }
        }
        (void)clear_up(*stream);
    }
}

std::vector<Outgoing> OutBox::clear() {
    std::vector<Outgoing> all;
    for_each([&all](const auto&, const auto&, const Outgoing& message) { all.push_back(message); });
    streams_.clear();
    by_number_.clear();
    ready_.clear();
    total_ -= bytes_;
    count_ = bytes_ = in_flight_ = 0;
    return all;
}

std::optional<std::uint64_t> OutBox::oldest_ms() const {
    std::optional<std::uint64_t> oldest;
    for (const auto& [key, stream] : streams_) {
        const auto at = std::find_if(stream->messages.begin(),
                                     stream->messages.end(),
                                     [](const Outgoing& message) { return !message.gone; });
        if (at != stream->messages.end()) {
            oldest = oldest ? std::min(*oldest, at->time_ms) : at->time_ms;
        }
    }
    return oldest;
}

}  // namespace berth::relay
