#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/relay/box/mailbox.h"
#include "agent/relay/peer/envelope.h"

namespace berth::relay {

// A message for an app of another agent, until that agent has it.
struct Outgoing {
    std::uint64_t id = 0;
    EnvelopeKind kind = EnvelopeKind::Notify;
    Payload payload;
    std::uint64_t time_ms = 0;  // when it was accepted, Unix time
    MonoTime expires = MonoTime::max();
    std::uint64_t correlation = 0;
    bool durable = false;
    bool gone = false;  // settled or expired; its place is cleared up later
};

// What waits for one other agent. Order is kept within a stream, that is from one app to one app;
// streams do not wait for each other. A message is sent, and stays until there is a receipt on it;
// rewind() makes all that was sent be sent again. Pure: no clock, no socket, no disk. It has a few
// methods more than others: a third of them only tell figures.
class OutBox {
public:
    // `total`: the sum of bytes over all boxes; `numbers`: the newest stream number, both kept up
    // to date by each.
    OutBox(std::string agent, std::size_t& total, std::uint64_t& numbers)
        : agent_(std::move(agent)), total_(total), numbers_(numbers) {}

    ~OutBox() { total_ -= bytes_; }

    OutBox(const OutBox&) = delete;
    OutBox& operator=(const OutBox&) = delete;

    [[nodiscard]] const std::string& agent() const { return agent_; }

    [[nodiscard]] bool has_room(std::size_t messages,
                                std::size_t bytes,
                                const MailboxLimits& limits) const;

    // Ids must rise. It is not due before wake().
    void add(const Name& from, const Name& to, Outgoing message);

    // What was added to this stream may be due now.
    void wake(const std::string& from, const std::string& to);

    // The next one to be sent, which then counts as sent; nothing when none is due. What is durable
    // waits until the disk has ids up to it, `stored`. Expired ones go into `expired` and are gone.
    struct Due {
        Envelope envelope;  // views of this box, until it is changed
        Payload payload;
    };

    std::optional<Due> next(std::uint64_t stored, MonoTime now, std::vector<Outgoing>& expired);

    // There is a receipt: it is done with. Nothing: it is not there, or this number is of an
    // earlier attempt.
    std::optional<Outgoing> settle(std::uint64_t stream, std::uint64_t id);

    // Whom a stream leads to; null: there is none of this number.
    [[nodiscard]] Name receiver(std::uint64_t stream) const;

    // Sends a stream again from its begin, at once or from `until` on, each time later without
    // success. Old numbers are ignored.
    void again(std::uint64_t stream);
    void again_later(std::uint64_t stream, MonoTime now);

    // Everything is sent again: nobody knows what has arrived.
    void rewind();

    // Streams whose time has come are due again. Gives when the next one's comes.
    std::optional<MonoTime> unblock(MonoTime now);

    // Takes one back that was not sent yet. False: it is not there.
    bool take_back(const std::string& from, const std::string& to, std::uint64_t id);

    // Drops what has expired unsent.
    void sweep(MonoTime now, std::vector<Outgoing>& expired);

    // Drops everything.
    std::vector<Outgoing> clear();

    template <class Use>
    void for_each(Use use) const {
        for (const auto& [key, stream] : streams_) {
            for (const Outgoing& message : stream->messages) {
                if (!message.gone) {
                    use(key.first, key.second, message);
                }
            }
        }
    }

    [[nodiscard]] bool due() const { return !ready_.empty(); }

    [[nodiscard]] std::size_t count() const { return count_; }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    // Of what was sent and has no receipt.
    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

    [[nodiscard]] std::optional<std::uint64_t> oldest_ms() const;

private:
    struct Stream {
        std::uint64_t number = 0;
        Name from;
        Name to;
        std::deque<Outgoing> messages;
        std::size_t sent = 0;      // how many of them are sent, or gone
        std::uint64_t before = 0;  // the id that was sent last in this attempt
        std::size_t in_a_row = 0;
        std::optional<MonoTime> blocked;  // not due before
        Duration patience{};
        bool queued = false;
    };

    Stream* find(std::uint64_t number);
    void queue(Stream& stream);
    void restart(Stream& stream);
    void drop(Stream& stream, Outgoing& message);
    bool clear_up(Stream& stream);  // false: the stream is gone with its last message

    std::string agent_;
    std::size_t& total_;
    std::uint64_t& numbers_;
    std::map<std::pair<std::string, std::string>, std::unique_ptr<Stream>> streams_;
    std::unordered_map<std::uint64_t, Stream*> by_number_;
    std::deque<std::uint64_t> ready_;  // numbers of streams with something due; some are stale
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    std::size_t in_flight_ = 0;
};

}  // namespace berth::relay
