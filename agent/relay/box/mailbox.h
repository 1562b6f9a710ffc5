#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/time/clock.h"

namespace berth::relay {

using Name = std::shared_ptr<const std::string>;
using Payload = std::shared_ptr<const std::string>;

struct Message {
    std::uint64_t id = 0;
    Name from;
    Payload payload;
    std::uint64_t time_ms = 0;  // when it was accepted, Unix time
    MonoTime expires = MonoTime::max();
    std::uint64_t correlation = 0;  // of a request; else 0
    std::uint64_t holder = 0;       // the session that has it, unacknowledged; 0: it waits
    MonoTime due;                   // when it is offered again
    std::uint64_t pushed = 0;       // its number among what was pushed to the holder; 0: polled
    std::uint32_t attempt = 0;      // how often it was given out
    std::uint32_t failures = 0;     // how often of these that ended without an acknowledgement
    std::uint64_t dead_ms = 0;      // since when it is a dead letter, Unix time; 0: it is none
    bool durable = false;
    bool gone = false;  // acknowledged, expired or taken back; its place is cleared up later
};

struct MailboxLimits {
    std::size_t messages = 100'000;
    std::size_t bytes = 256U << 20U;
};

// What one app has not acknowledged yet, oldest first. Ids rise, so order is the order of arrival:
// per sender and receiver it is kept. Pure: no clock, no socket, no disk.
//
// A message waits (holder 0), then a session holds it until that acknowledges it, ends, or its time
// is over; then it waits again, at its old place. It has a few methods more than others: a third of
// them only tell figures.
class Mailbox {
public:
    // `total` is the sum of bytes over all mailboxes, kept up to date by each.
    Mailbox(std::string app, std::size_t& total)
        : app_(std::make_shared<const std::string>(std::move(app))), total_(total) {}

    [[nodiscard]] const Name& app() const { return app_; }

    // False: it would be over the limits.
    [[nodiscard]] bool has_room(std::size_t messages,
                                std::size_t bytes,
                                const MailboxLimits& limits) const;

    // Ids must rise.
    void add(Message message);

    // The oldest that waits; null when there is none. What is durable waits behind the disk: only
    // ids up to `stored` are given, and nothing behind one that is not. Expired ones are reported
    // through `expired` and gone.
    Message* next(std::uint64_t stored, MonoTime now, std::vector<std::uint64_t>& expired);

    void give(Message& message, std::uint64_t holder, MonoTime due);

    // The message, when it is there and not gone.
    Message* find(std::uint64_t id);

    // Takes it away for good; the holder it had goes into `holder`. False: there is none.
    struct Removed {
        bool durable = false;
        std::uint64_t holder = 0;
    };

    std::optional<Removed> remove(std::uint64_t id);

    // The holder has ended, its messages wait again. Gives the ids of those whose attempt has
    // failed by that: what it had asked for, and the oldest of what was pushed; what was behind
    // that one, its receiver had not come to.
    std::vector<std::uint64_t> release(std::uint64_t holder);

    struct Returned {
        std::uint64_t id;
        std::uint64_t holder;

        friend bool operator==(const Returned&, const Returned&) = default;
    };

    // Those whose time is over wait again and are appended to `returned`. Gives when the next is
    // due.
    std::optional<MonoTime> release_due(MonoTime now, std::vector<Returned>& returned);

    // Its holder gives it back: it waits again. `unseen`: that was no attempt. Gives the holder;
    // unset: nobody has it.
    std::optional<std::uint64_t> give_back(std::uint64_t id, bool unseen);

    // What was pushed to the holder after its first `read` messages.
    [[nodiscard]] std::vector<std::uint64_t> unread(std::uint64_t holder, std::uint64_t read) const;

    // It is held for longer, until `due`. False: nobody has it.
    bool extend(std::uint64_t id, MonoTime due);

    // Takes out a message that nobody has, to be put elsewhere.
    Message take_out(std::uint64_t id);

    // Puts a message back that was taken out, at its old place.
    void put_back(Message message);

    template <class Use>
    void for_each(Use use) const {
        for (const Message& message : messages_) {
            if (!message.gone) {
                use(message);
            }
        }
    }

    [[nodiscard]] std::size_t count() const { return count_; }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    [[nodiscard]] std::size_t held() const { return held_; }

    [[nodiscard]] bool empty() const { return count_ == 0; }

    [[nodiscard]] std::optional<std::uint64_t> oldest_ms() const;

    [[nodiscard]] std::uint64_t redelivered() const { return redelivered_; }

    [[nodiscard]] std::uint64_t received() const { return received_; }

private:
    struct Given {
        std::uint64_t id;
        MonoTime due;
    };

    std::deque<Message>::iterator at_or_after(std::uint64_t id);
    void wait_again(Message& message);
    void hold_until(const Message& message);
    void erase(Message& message);
    void clear_up();

    Name app_;
    std::size_t& total_;
    std::deque<Message> messages_;
    std::deque<Given> given_;    // in the order of their time; some are stale
    std::uint64_t from_id_ = 0;  // nothing below it waits
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    std::size_t held_ = 0;
    std::uint64_t redelivered_ = 0;
    std::uint64_t received_ = 0;
};

}  // namespace berth::relay
