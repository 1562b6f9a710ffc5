#include "agent/relay/broker/operator_view.h"

namespace berth::relay {

MailboxStatus status_of(const MailboxStats& mailbox, MonoTime now) {
    std::optional<WallTime> oldest;
    if (mailbox.oldest_ms) {
        oldest = WallTime(std::chrono::milliseconds(*mailbox.oldest_ms));
    }
    return {mailbox.waiting,
            mailbox.held,
            mailbox.bytes,
            mailbox.received,
            mailbox.taken,
            mailbox.redelivered,
            mailbox.dead,
            mailbox.in.per_second(now),
            mailbox.out.per_second(now),
            oldest};
}

std::vector<MailboxStats> OperatorView::stats() const {
    std::vector<MailboxStats> all;
    uses_.boxes.for_each([&all](const Box& box) {
        const Mailbox& mail = box.mail;
        all.push_back({*mail.app(),
                       mail.count(),
                       mail.held(),
                       mail.bytes(),
                       mail.oldest_ms(),
                       mail.received(),
                       box.taken,
                       mail.redelivered(),
                       box.dead.count(),
                       box.sessions,
                       box.in,
                       box.out});
    });
    return all;
}

std::vector<Message> OperatorView::peek(const std::string& app,
                                        std::size_t max,
                                        std::uint64_t after) const {
    std::vector<Message> found;
    const Box* const box = uses_.boxes.find(app);
    if (box == nullptr) {
        return found;
    }
    box->mail.for_each([&](const Message& message) {
        if (found.size() < max && message.id > after) {
            found.push_back(message);
        }
    });
    return found;
}

std::vector<Message> OperatorView::dead_letters(const std::string& app,
                                                std::size_t max,
                                                std::uint64_t after) const {
    std::vector<Message> found;
    const Box* const box = uses_.boxes.find(app);
    if (box == nullptr) {
        return found;
    }
    const auto& letters = box->dead.letters();
    for (auto at = letters.upper_bound(after); at != letters.end() && found.size() < max; ++at) {
        found.push_back(at->second);
        found.back().expires = MonoTime::max();
    }
    return found;
}

TraceSlice OperatorView::trace(const std::string& app, std::size_t max, std::uint64_t after) const {
    return {uses_.trace.since(after, app, max), uses_.trace.changes()};
}

Result<Verb> OperatorView::release_for_removal(const std::string& app, std::uint64_t id) {
    Box* const box = uses_.boxes.find(app);
    if (box != nullptr && box->dead.letters().count(id) != 0) {
        return Verb::Drop;
    }
    const Message* const message = box == nullptr ? nullptr : box->mail.find(id);
    if (message == nullptr) {
        return fail(ErrorCode::NotFound,
                    "no message " + std::to_string(id) + " waits for \"" + app + "\"");
    }
    if (message->durable && !uses_.intake.on_disk(id)) {
        return fail(ErrorCode::WrongState, "this message is not on the disk yet");
    }
    if (message->correlation != 0) {
        uses_.requests.end(
            message->correlation, Code::WrongState, "the operator has removed the request");
    }
    return Verb::Ack;
}

}  // namespace berth::relay
