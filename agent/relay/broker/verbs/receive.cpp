#include <algorithm>
#include <utility>

#include "agent/relay/broker/verbs/verbs.h"
#include "shared/wire/append.h"

// Receiving: poll, ack, clear, working, release, and the dead letters.
namespace berth::relay::verbs {

namespace {

constexpr std::size_t kMaxPoll = 1000;
constexpr std::uint64_t kLongestWaitMs = 366ULL * 24 * 3600 * 1000;

// Whether that must be stored.
bool acknowledge(BrokerParts& broker, Session& session, const IdList& ids) {
    bool needs_disk = false;
    Box& box = *session.box;
    bool any = false;
    const TraceOutcome why =
        session.is_operator ? TraceOutcome::Removed : TraceOutcome::Acknowledged;
    ids.for_each([&](std::uint64_t id) {
        needs_disk = broker.delivery.take_away(box, id, why) || needs_disk;
        any = true;
    });
    if (any && !box.subscribers.empty()) {
        broker.boxes.touch(box);  // there is room in a window
    }
    return needs_disk;
}

// Those of the ids that are dead letters; all of them when none is named.
std::vector<std::uint64_t> chosen(const DeadLetters& dead, const IdList& ids) {
    std::vector<std::uint64_t> found;
    if (ids.empty()) {
        for (const auto& [id, letter] : dead.letters()) {
            found.push_back(id);
        }
    }
    ids.for_each([&](std::uint64_t id) {
        if (dead.letters().count(id) != 0) {
            found.push_back(id);
        }
    });
    return found;
}

std::string counted(std::uint64_t request, std::string_view name, std::uint64_t count) {
    std::string header;
    begin_reply(header, request, Code::Ok, 1);
    wire::append_text(header, name);
    wire::append_whole(header, count);
    return header;
}

}  // namespace

void poll(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(session, request.id, Code::Malformed, "poll takes no payload");
    }
    const std::uint64_t wait = std::min(request.args.wait_ms.value_or(0), kLongestWaitMs);
    if (wait > 0 && session.box->waiters.size() >= broker.options.limits.waiting_polls) {
        return broker.replies.refuse(session,
                                     request.id,
                                     Code::Full,
                                     "too many polls wait for messages of this mailbox already");
    }
    auto waiter = std::make_shared<Waiter>();
    waiter->session = session.number;
    waiter->request = request.id;
    waiter->max = std::min<std::uint64_t>(request.args.max.value_or(kMaxPoll), kMaxPoll);
    waiter->auto_ack = request.args.auto_ack.value_or(false);
    waiter->needs_disk = acknowledge(broker, session, request.args.ids);
    Box& box = *session.box;
    if (waiter->max > 0 && box.waiters.empty() && broker.delivery.serve(box, *waiter)) {
        return;
    }
    if (waiter->max > 0 && wait > 0) {
        return broker.delivery.wait(box, std::move(waiter), wait);
    }
    broker.replies.answer_stored(
        session, request.id, polled_header(request.id, 0), {}, waiter->needs_disk);
}

void ack(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(session, request.id, Code::Malformed, "ack takes no payload");
    }
    const bool needs_disk = acknowledge(broker, session, request.args.ids);
    broker.replies.answer_stored(session, request.id, ok_reply(request.id), {}, needs_disk);
}

// Whoever says it for the app: the claim is that of the session which has the message.
void working(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(
            session, request.id, Code::Malformed, "working takes no payload");
    }
    Box& box = *session.box;
    const MonoTime due = broker.clock.mono() + box.redeliver_after;
    std::uint64_t kept = 0;
    request.args.ids.for_each(
        [&](std::uint64_t id) { kept += box.mail.extend(id, due) ? 1U : 0U; });
    broker.replies.answer(session, counted(request.id, "kept", kept));
}

void release(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(
            session, request.id, Code::Malformed, "release takes no payload");
    }
    Box& box = *session.box;
    const bool unseen = request.args.unseen.value_or(false);
    std::vector<std::uint64_t> released;
    request.args.ids.for_each([&](std::uint64_t id) {
        if (const auto holder = box.mail.give_back(id, unseen)) {
            broker.delivery.let_go(*holder, id);
            released.push_back(id);
        }
    });
    if (!unseen) {
        broker.delivery.note_failed(box, released);
    }
    std::size_t count = released.size();
    if (request.args.read) {
        for (const std::uint64_t id : box.mail.unread(session.number, *request.args.read)) {
            (void)box.mail.give_back(id, /*unseen=*/true);
            broker.delivery.let_go(session.number, id);
            ++count;
        }
    }
    if (count != 0) {
        broker.boxes.touch(box);
    }
    broker.replies.answer(session, counted(request.id, "released", count));
}

// Dead letters wait again, as if they had never been given out, at their old place.
void resend(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(
            session, request.id, Code::Malformed, "resend takes no payload");
    }
    Box& box = *session.box;
    std::uint64_t count = 0;
    bool needs_disk = false;
    for (const std::uint64_t id : chosen(box.dead, request.args.ids)) {
        auto message = box.dead.take(id);
        if (!message) {
            continue;  // named twice
        }
        message->failures = 0;
        message->dead_ms = 0;
        message->gone = false;
        message->expires = MonoTime::max();
        if (message->durable) {
            broker.turn.batch().marks.push_back({id, 0, 0});
            needs_disk = true;
        }
        broker.trace.stored(id, broker.clock.wall());
        box.mail.put_back(std::move(*message));
        ++count;
    }
    if (count != 0) {
        broker.boxes.touch(box);
    }
    broker.replies.answer_stored(
        session, request.id, counted(request.id, "resent", count), {}, needs_disk);
}

void drop(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(session, request.id, Code::Malformed, "drop takes no payload");
    }
    Box& box = *session.box;
    std::uint64_t count = 0;
    bool needs_disk = false;
    for (const std::uint64_t id : chosen(box.dead, request.args.ids)) {
        const auto message = box.dead.take(id);
        if (!message) {
            continue;  // named twice
        }
        if (message->durable) {
            broker.turn.batch().removals.push_back(id);
            needs_disk = true;
        }
        broker.trace.ended(id, TraceOutcome::Removed, broker.clock.wall());
        ++count;
    }
    if (count != 0) {
        broker.boxes.note_change();
    }
    broker.replies.answer_stored(
        session, request.id, counted(request.id, "removed", count), {}, needs_disk);
}

void clear(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!payload.empty()) {
        return broker.replies.refuse(
            session, request.id, Code::Malformed, "clear takes no payload");
    }
    std::vector<std::uint64_t> ids;
    session.box->mail.for_each([&](const Message& message) {
        // What is on its way to the disk is not there yet; a request's asker waits for an answer.
        if (message.correlation == 0 && (!message.durable || broker.intake.on_disk(message.id))) {
            ids.push_back(message.id);
        }
    });
    bool needs_disk = false;
    for (const std::uint64_t id : ids) {
        needs_disk =
            broker.delivery.take_away(*session.box, id, TraceOutcome::Removed) || needs_disk;
    }
    broker.replies.answer_stored(
        session, request.id, counted(request.id, "removed", ids.size()), {}, needs_disk);
}

}  // namespace berth::relay::verbs
