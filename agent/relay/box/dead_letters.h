#pragma once

#include <map>
#include <optional>

#include "agent/relay/box/mailbox.h"

namespace berth::relay {

// The messages of one app that were given out as often as its descriptor allows, and never were
// acknowledged. They wait for a person, or the app, to send them again or to drop them; they count
// towards the mailbox's limits, and do not expire. Pure, as the Mailbox is.
class DeadLetters {
public:
    // `total` is the sum of bytes over all mailboxes, kept up to date.
    explicit DeadLetters(std::size_t& total) : total_(total) {}

    // With its `dead_ms`.
    void add(Message message) {
        bytes_ += message.payload->size();
        total_ += message.payload->size();
        const std::uint64_t id = message.id;
        letters_.emplace(id, std::move(message));
    }

    std::optional<Message> take(std::uint64_t id) {
        const auto found = letters_.find(id);
        if (found == letters_.end()) {
            return std::nullopt;
        }
        Message message = std::move(found->second);
        letters_.erase(found);
        bytes_ -= message.payload->size();
        total_ -= message.payload->size();
        return message;
    }

    // By id.
    [[nodiscard]] const std::map<std::uint64_t, Message>& letters() const { return letters_; }

    [[nodiscard]] std::size_t count() const { return letters_.size(); }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
    std::size_t& total_;
    std::map<std::uint64_t, Message> letters_;
    std::size_t bytes_ = 0;
};

}  // namespace berth::relay
