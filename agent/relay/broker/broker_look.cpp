#include "agent/relay/broker/broker.h"

// The part of the Broker that is looked at: figures, peeks, the trace.
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

void Broker::note_new(Box& box, const Message& message) {
    const WallTime now = loop_.now().wall;
    box.in.add(loop_.now().mono, 1);
    TraceEntry entry;
    entry.id = message.id;
    entry.from = message.from;
    entry.to = box.mail.app();
    entry.size = message.payload->size();
    entry.accepted = now;
    entry.kind = message.correlation != 0 ? TraceKind::Request : TraceKind::Notify;
    if (!message.durable) {
        entry.stored = now;
        entry.outcome = TraceOutcome::Waiting;
    }
    trace_.begin(std::move(entry));
}

// A message to an app of another agent.
void Broker::note_far(const PeerExchange::Target& to, const PeerExchange::Letter& letter) {
    const WallTime now = loop_.now().wall;
    TraceEntry entry;
    entry.id = letter.id;
    entry.from = letter.from;
    entry.to = std::make_shared<const std::string>(to.agent + '/' + to.app);
    entry.size = letter.payload.size();
    entry.accepted = now;
    if (!letter.durable) {
        entry.stored = now;
        entry.outcome = TraceOutcome::Waiting;
    }
    trace_.begin(std::move(entry));
}

void Broker::note_event(const Name& from, std::string_view type, Parts payload) {
    TraceEntry entry;
    entry.id = take_ids(1);
    entry.from = from;
    entry.to = std::make_shared<const std::string>(type);
    entry.size = payload.empty() ? 0 : payload[0].size();
    entry.accepted = entry.stored = entry.given = entry.ended = loop_.now().wall;
    entry.kind = TraceKind::Event;
    entry.outcome = TraceOutcome::Told;
    trace_.begin(std::move(entry));
}

void Broker::note_taken(Box& box, std::uint64_t id, TraceOutcome why) {
    if (why == TraceOutcome::Acknowledged || why == TraceOutcome::Answered) {
        ++box.taken;
        box.out.add(loop_.now().mono, 1);
    }
    trace_.ended(id, why, loop_.now().wall);
}

std::vector<MailboxStats> Broker::stats() const {
    std::vector<MailboxStats> all;
    for (const auto& [app, box] : boxes_) {
        const Mailbox& mail = box->mail;
        all.push_back({app,
                       mail.count(),
                       mail.held(),
                       mail.bytes(),
                       mail.oldest_ms(),
                       mail.received(),
                       box->taken,
                       mail.redelivered(),
                       box->dead.count(),
                       box->sessions,
                       box->in,
                       box->out});
    }
    return all;
}

namespace {

Broker::Peeked peeked_of(const Message& message, MonoTime now, std::uint64_t now_ms) {
    Broker::Peeked peeked;
    peeked.meta = {
        message.id, *message.from, message.time_ms, message.attempt, message.correlation};
    peeked.payload = message.payload;
    peeked.from = message.from;
    peeked.held = message.holder != 0;
    peeked.durable = message.durable;
    if (message.expires != MonoTime::max()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::max<Duration>(message.expires - now, Duration(0)));
        peeked.expires_ms = now_ms + static_cast<std::uint64_t>(left.count());
    }
    return peeked;
}

}  // namespace

std::vector<Broker::Peeked> Broker::peek(const std::string& app,
                                         std::size_t max,
                                         std::uint64_t after) const {
    std::vector<Peeked> found;
    const auto box = boxes_.find(app);
    if (box == boxes_.end()) {
        return found;
    }
    box->second->mail.for_each([&](const Message& message) {
        if (found.size() < max && message.id > after) {
            found.push_back(peeked_of(message, loop_.now().mono, now_ms()));
        }
    });
    return found;
}

std::vector<Broker::Peeked> Broker::peek_dead(const std::string& app,
                                              std::size_t max,
                                              std::uint64_t after) const {
    std::vector<Peeked> found;
    const auto box = boxes_.find(app);
    if (box == boxes_.end()) {
        return found;
    }
    const auto& letters = box->second->dead.letters();
    for (auto at = letters.upper_bound(after); at != letters.end() && found.size() < max; ++at) {
        Peeked peeked = peeked_of(at->second.message, loop_.now().mono, now_ms());
        peeked.expires_ms = std::nullopt;  // it does not any more
        peeked.dead_ms = at->second.dead_ms;
        found.push_back(std::move(peeked));
    }
    return found;
}

bool Broker::is_dead(const std::string& app, std::uint64_t id) const {
    const auto box = boxes_.find(app);
    return box != boxes_.end() && box->second->dead.letters().count(id) != 0;
}

Result<void> Broker::release_for_removal(const std::string& app, std::uint64_t id) {
    Box* const box = find_box(app);
    const Message* const message = box == nullptr ? nullptr : box->mail.find(id);
    if (message == nullptr) {
        return fail(ErrorCode::NotFound,
                    "no message " + std::to_string(id) + " waits for \"" + app + "\"");
    }
    if (message->durable && id > stored_id_) {
        return fail(ErrorCode::WrongState, "this message is not on the disk yet");
    }
    if (message->correlation != 0) {
        end_request(message->correlation, Code::WrongState, "the operator has removed the request");
    }
    return {};
}

}  // namespace berth::relay
