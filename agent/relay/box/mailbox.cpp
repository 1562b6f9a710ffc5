#include "agent/relay/box/mailbox.h"

#include <algorithm>
#include <utility>

#include "shared/base/ensure.h"

namespace berth::relay {

namespace {

bool below(const Message& message, std::uint64_t id) {
    return message.id < id;
}

}  // namespace

// Ids mostly follow each other without a gap: then the place is known without a search.
std::deque<Message>::iterator Mailbox::at_or_after(std::uint64_t id) {
    if (messages_.empty() || id <= messages_.front().id) {
        return messages_.begin();
    }
    const std::uint64_t offset = id - messages_.front().id;
    if (offset < messages_.size() && messages_[offset].id == id) {
        return messages_.begin() + static_cast<std::ptrdiff_t>(offset);
    }
    return std::lower_bound(messages_.begin(), messages_.end(), id, below);
}

bool Mailbox::has_room(std::size_t messages, std::size_t bytes, const MailboxLimits& limits) const {
    return count_ + messages <= limits.messages && bytes_ + bytes <= limits.bytes;
}

void Mailbox::add(Message message) {
    ENSURE(messages_.empty() || messages_.back().id < message.id, "the relay gives rising ids");
    ++count_;
    ++received_;
    bytes_ += message.payload->size();
    total_ += message.payload->size();
    messages_.push_back(std::move(message));
}

Message* Mailbox::next(std::uint64_t stored, MonoTime now, std::vector<std::uint64_t>& expired) {
    auto at = at_or_after(from_id_);
    for (; at != messages_.end(); ++at) {
        from_id_ = at->id;
        if (at->gone || at->holder != 0) {
            continue;
        }
        if (at->durable && at->id > stored) {
            return nullptr;
        }
        if (at->expires <= now) {
            expired.push_back(at->id);
            erase(*at);
            continue;
        }
        return &*at;
    }
    from_id_ = messages_.empty() ? from_id_ : messages_.back().id + 1;
    clear_up();
    return nullptr;
}

void Mailbox::give(Message& message, std::uint64_t holder, MonoTime due) {
    message.holder = holder;
    message.due = due;
    if (++message.attempt > 1) {
        ++redelivered_;
    }
    ++held_;
    hold_until(message);
}

// Mostly the latest of all; else a claim has become shorter.
void Mailbox::hold_until(const Message& message) {
    auto at = given_.end();
    while (at != given_.begin() && std::prev(at)->due > message.due) {
        --at;
    }
    given_.insert(at, {message.id, message.due});
}

bool Mailbox::extend(std::uint64_t id, MonoTime due) {
    Message* const message = find(id);
    if (message == nullptr || message->holder == 0) {
        return false;
    }
    if (message->due != due) {
        message->due = due;
        hold_until(*message);
    }
    return true;
}

Message* Mailbox::find(std::uint64_t id) {
    const auto at = at_or_after(id);
    return at != messages_.end() && at->id == id && !at->gone ? &*at : nullptr;
}

void Mailbox::erase(Message& message) {
    --count_;
    bytes_ -= message.payload->size();
    total_ -= message.payload->size();
    held_ -= message.holder != 0 ? 1 : 0;
    message.gone = true;
    message.payload.reset();
    message.from.reset();
}

std::optional<Mailbox::Removed> Mailbox::remove(std::uint64_t id) {
    Message* const message = find(id);
    if (message == nullptr) {
        return std::nullopt;
    }
    const Removed removed{message->durable, message->holder};
    erase(*message);
    clear_up();
    return removed;
}

// Drops what is gone at the front at once, and what is gone in between when that is the most.
void Mailbox::clear_up() {
    constexpr std::size_t kFew = 1000;
    while (!messages_.empty() && messages_.front().gone) {
        messages_.pop_front();
    }
    if (messages_.size() > 2 * count_ + kFew) {
        std::erase_if(messages_, [](const Message& message) { return message.gone; });
    }
    const auto stale = [this](const Given& given) {
        const Message* const message = find(given.id);
        return message == nullptr || message->holder == 0 || message->due != given.due;
    };
    while (!given_.empty() && stale(given_.front())) {
        given_.pop_front();
    }
    if (given_.size() > 2 * held_ + kFew) {
        std::erase_if(given_, stale);
    }
}

void Mailbox::wait_again(Message& message) {
    ++message.failures;
    message.holder = 0;
    --held_;
    from_id_ = std::min(from_id_, message.id);
}

std::vector<std::uint64_t> Mailbox::release(std::uint64_t holder) {
    std::vector<std::uint64_t> released;
    if (held_ == 0) {
        return released;
    }
    bool oldest = true;
    for (Message& message : messages_) {
        if (message.gone || message.holder != holder) {
            continue;
        }
        wait_again(message);
        if (message.pushed == 0 || std::exchange(oldest, false)) {
            released.push_back(message.id);
        } else {
            --message.failures;
        }
    }
    clear_up();
    return released;
}

std::optional<std::uint64_t> Mailbox::give_back(std::uint64_t id, bool unseen) {
    Message* const message = find(id);
    if (message == nullptr || message->holder == 0) {
        return std::nullopt;
    }
    const std::uint64_t holder = message->holder;
    wait_again(*message);
    if (unseen) {
        --message->failures;
        --message->attempt;
    }
    clear_up();
    return holder;
}

std::vector<std::uint64_t> Mailbox::unread(std::uint64_t holder, std::uint64_t read) const {
    std::vector<std::uint64_t> found;
    if (held_ == 0) {
        return found;
    }
    for (const Message& message : messages_) {
        if (!message.gone && message.holder == holder && message.pushed > read) {
            found.push_back(message.id);
        }
    }
    return found;
}

Message Mailbox::take_out(std::uint64_t id) {
    Message* const found = find(id);
    ENSURE(found != nullptr && found->holder == 0, "it waits");
    Message message = *found;
    erase(*found);
    clear_up();
    return message;
}

void Mailbox::put_back(Message message) {
    ++count_;
    bytes_ += message.payload->size();
    total_ += message.payload->size();
    from_id_ = std::min(from_id_, message.id);
    const auto at = at_or_after(message.id);
    if (at != messages_.end() && at->id == message.id) {
        *at = std::move(message);  // its place is not cleared up yet
    } else {
        messages_.insert(at, std::move(message));
    }
}

std::optional<MonoTime> Mailbox::release_due(MonoTime now, std::vector<Returned>& returned) {
    clear_up();
    while (!given_.empty() && given_.front().due <= now) {
        Message* const message = find(given_.front().id);
        if (message != nullptr && message->holder != 0 && message->due == given_.front().due) {
            returned.push_back({message->id, message->holder});
            wait_again(*message);
        }
        given_.pop_front();
    }
    clear_up();
    return given_.empty() ? std::nullopt : std::optional(given_.front().due);
}

std::optional<std::uint64_t> Mailbox::oldest_ms() const {
    const auto at = std::find_if(
        messages_.begin(), messages_.end(), [](const Message& message) { return !message.gone; });
    return at == messages_.end() ? std::nullopt : std::optional(at->time_ms);
}

}  // namespace berth::relay
