#include <algorithm>

#include "agent/relay/broker/broker.h"
#include "shared/log/log.h"
#include "shared/wire/append.h"

// The part of the Broker that gives messages out and takes them away: push, poll, ack, clear.
namespace berth::relay {

namespace {

constexpr std::size_t kMaxPoll = 1000;
constexpr std::size_t kMaxPollBytes = 1U << 20U;  // of one answer, beyond its first message
constexpr std::uint64_t kLongestWaitMs = 366ULL * 24 * 3600 * 1000;

}  // namespace

// --- giving out

Message* Broker::next(Box& box) {
    std::vector<std::uint64_t> expired;
    Message* const message = box.mail.next(stored_id_, loop_.now().mono, expired);
    auto& removals = turn_.batch->removals;
    removals.insert(removals.end(), expired.begin(), expired.end());
    for (const std::uint64_t id : expired) {
        trace_.ended(id, TraceOutcome::Expired, loop_.now().wall);
    }
    return message;
}

void Broker::give(Box& box, Message& message, Session& receiver) {
    const MonoTime due = loop_.now().mono + box.redeliver_after;
    box.mail.give(message, receiver.number, due);
    trace_.given(message.id, loop_.now().wall);
    message.pushed = 0;
    ++receiver.window;
    if (!box.redelivery.active() || due < box.redelivery_at) {
        redeliver_at(box, due);
    }
}

void Broker::redeliver_at(Box& box, MonoTime due) {
    box.redelivery_at = due;
    box.redelivery = loop_.at(due, [this, &box] { redeliver(box); });
}

namespace {

// A message that failed before is given out alone, when it may fail for good: what ends its
// receiver then takes no other with it.
bool goes_alone(const Box& box, const Message& message) {
    return box.max_attempts != 0 && message.failures != 0;
}

}  // namespace

void Broker::give_out(Box& box) {
    while (!box.waiters.empty()) {
        const std::shared_ptr<Waiter> waiter = box.waiters.front();
        if (!serve(box, *waiter)) {
            return;  // nothing waits, so there is nothing for subscribers either
        }
        box.waiters.pop_front();
    }
    const std::size_t count = box.subscribers.size();
    for (std::size_t i = 0; i < count; ++i) {
        push_to(box, *box.subscribers[(box.next_subscriber + i) % count]);
    }
    box.next_subscriber = count == 0 ? 0 : (box.next_subscriber + 1) % count;
}

void Broker::push_to(Box& box, Session& receiver) {
    std::array<std::string_view, 2> parts;
    while (receiver.alone == 0 && receiver.window < limits_.window &&
           receiver.link->backlog() < limits_.backlog) {
        Message* const message = next(box);
        if (message == nullptr || (goes_alone(box, *message) && receiver.window != 0)) {
            return;
        }
        receiver.alone = goes_alone(box, *message) ? message->id : 0;
        give(box, *message, receiver);
        message->pushed = ++receiver.pushed;
        scratch_.clear();
        append_message_header(scratch_,
                              {message->id,
                               *message->from,
                               message->time_ms,
                               message->attempt,
                               message->correlation});
        parts = {scratch_, *message->payload};
        receiver.link->send(parts);
    }
}

bool Broker::serve(Box& box, Waiter& waiter) {
    Session* const receiver = find_session(waiter.session);
    if (receiver == nullptr || receiver->deaf) {
        return true;
    }
    std::string metas;
    std::vector<Payload> payloads;
    std::size_t bytes = 0;
    bool needs_disk = waiter.needs_disk;
    while (payloads.size() < waiter.max && bytes < kMaxPollBytes) {
        Message* const message = next(box);
        if (message == nullptr) {
            break;
        }
        const bool alone = goes_alone(box, *message) && !waiter.auto_ack;
        if (alone && !payloads.empty()) {
            break;
        }
        append_meta(metas,
                    {message->id,
                     *message->from,
                     message->time_ms,
                     message->attempt + 1,
                     message->correlation});
        payloads.push_back(message->payload);
        bytes += message->payload->size();
        if (waiter.auto_ack) {
            trace_.given(message->id, loop_.now().wall);
            needs_disk = take_away(box, message->id, TraceOutcome::Acknowledged) || needs_disk;
        } else {
            give(box, *message, *receiver);
        }
        if (alone) {
            break;
        }
    }
    if (payloads.empty()) {
        return false;
    }
    RequestHeader request;
    request.id = waiter.request;
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "messages");
    wire::append_array(header, static_cast<std::uint32_t>(payloads.size()));
    header += metas;
    answer_stored(*receiver, request, std::move(header), std::move(payloads), needs_disk);
    return true;
}

void Broker::on_poll(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "poll takes no payload");
    }
    const std::uint64_t wait = std::min(request.args.wait_ms.value_or(0), kLongestWaitMs);
    if (wait > 0 && session.box->waiters.size() >= limits_.waiting_polls) {
        return refuse(session,
                      request.id,
                      Code::Full,
                      "too many polls wait for messages of this mailbox already");
    }
    auto waiter = std::make_shared<Waiter>();
    waiter->session = session.number;
    waiter->request = request.id;
    waiter->max = std::min<std::uint64_t>(request.args.max.value_or(kMaxPoll), kMaxPoll);
    waiter->auto_ack = request.args.auto_ack.value_or(false);
    waiter->needs_disk = acknowledge(session, request.args.ids);
    Box& box = *session.box;
    if (waiter->max > 0 && box.waiters.empty() && serve(box, *waiter)) {
        return;
    }
    if (waiter->max > 0 && wait > 0) {
        return wait_for_messages(box, std::move(waiter), wait);
    }
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "messages");
    wire::append_array(header, 0);
    answer_stored(session, request, std::move(header), {}, waiter->needs_disk);
}

void Broker::wait_for_messages(Box& box, std::shared_ptr<Waiter> waiter, std::uint64_t wait_ms) {
    const std::uint64_t session = waiter->session;
    const std::uint64_t request = waiter->request;
    waiter->timeout =
        loop_.after(std::chrono::milliseconds(wait_ms), [this, &box, session, request] {
            const auto at = std::find_if(
                box.waiters.begin(), box.waiters.end(), [&](const std::shared_ptr<Waiter>& one) {
                    return one->session == session && one->request == request;
                });
            if (at == box.waiters.end()) {
                return;
            }
            box.waiters.erase(at);
            std::string header;
            begin_reply(header, request, Code::Ok, 1);
            wire::append_text(header, "messages");
            wire::append_array(header, 0);
            if (Session* const asker = find_session(session)) {
                answer(*asker, header);
            }
        });
    box.waiters.push_back(std::move(waiter));
}

void Broker::redeliver(Box& box) {
    std::vector<Mailbox::Returned> returned;
    const auto next_due = box.mail.release_due(loop_.now().mono, returned);
    std::vector<std::uint64_t> ids;
    for (const Mailbox::Returned& message : returned) {
        let_go(message.holder, message.id);
        ids.push_back(message.id);
    }
    failed(box, ids);
    if (next_due) {
        redeliver_at(box, *next_due);
    } else {
        box.redelivery.reset();
    }
    if (!returned.empty()) {
        touch(box);
    }
}

// A session has one message less.
void Broker::let_go(std::uint64_t holder, std::uint64_t id) {
    if (Session* const session = find_session(holder)) {
        --session->window;
        session->alone = session->alone == id ? 0 : session->alone;
    }
}

// These wait again without having been acknowledged: after so many times they are dead letters. A
// request is none; its asker's time ends it.
void Broker::failed(Box& box, const std::vector<std::uint64_t>& ids) {
    if (box.max_attempts == 0) {
        return;
    }
    std::size_t dead = 0;
    for (const std::uint64_t id : ids) {
        const Message* const message = box.mail.find(id);
        if (message == nullptr || message->correlation != 0) {
            continue;
        }
        const bool ends = message->failures >= box.max_attempts;
        const std::uint64_t dead_ms = ends ? now_ms() : 0;
        if (message->durable) {
            turn_.batch->marks.push_back({id, message->failures, dead_ms});
        }
        if (ends) {
            trace_.ended(id, TraceOutcome::Dead, loop_.now().wall);
            box.dead.add(box.mail.take_out(id), dead_ms);
            ++dead;
        }
    }
    if (dead != 0) {
        log::warning("messages are dead letters now: they were given out as often as is allowed",
                     {{"app", *box.mail.app()}, {"messages", std::to_string(dead)}});
    }
}

// --- taking away

bool Broker::take_away(Box& box, std::uint64_t id, TraceOutcome why) {
    const auto removed = box.mail.remove(id);
    if (!removed) {
        return false;
    }
    note_taken(box, id, why);
    ++removed_;
    if (removed->holder != 0) {
        let_go(removed->holder, id);
    }
    if (removed->durable) {
        turn_.batch->removals.push_back(id);
    }
    return removed->durable;
}

bool Broker::acknowledge(Session& session, const IdList& ids) {
    bool needs_disk = false;
    Box& box = *session.box;
    bool any = false;
    const TraceOutcome why =
        session.is_operator ? TraceOutcome::Removed : TraceOutcome::Acknowledged;
    ids.for_each([&](std::uint64_t id) {
        needs_disk = take_away(box, id, why) || needs_disk;
        any = true;
    });
    if (any && !box.subscribers.empty()) {
        touch(box);  // there is room in a window
    }
    return needs_disk;
}

void Broker::on_ack(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "ack takes no payload");
    }
    const bool needs_disk = acknowledge(session, request.args.ids);
    answer_stored(session, request, ok_reply(request.id), {}, needs_disk);
}

// Whoever says it for the app: the claim is that of the session which has the message.
void Broker::on_working(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "working takes no payload");
    }
    Box& box = *session.box;
    const MonoTime due = loop_.now().mono + box.redeliver_after;
    std::uint64_t kept = 0;
    request.args.ids.for_each(
        [&](std::uint64_t id) { kept += box.mail.extend(id, due) ? 1U : 0U; });
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "kept");
    wire::append_whole(header, kept);
    answer(session, header);
}

void Broker::on_release(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "release takes no payload");
    }
    Box& box = *session.box;
    const bool unseen = request.args.unseen.value_or(false);
    std::vector<std::uint64_t> released;
    request.args.ids.for_each([&](std::uint64_t id) {
        if (const auto holder = box.mail.give_back(id, unseen)) {
            let_go(*holder, id);
            released.push_back(id);
        }
    });
    if (!unseen) {
        failed(box, released);
    }
    std::size_t count = released.size();
    if (request.args.read) {
        for (const std::uint64_t id : box.mail.unread(session.number, *request.args.read)) {
            (void)box.mail.give_back(id, /*unseen=*/true);
            let_go(session.number, id);
            ++count;
        }
    }
    if (count != 0) {
        touch(box);
    }
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "released");
    wire::append_whole(header, count);
    answer(session, header);
}

namespace {

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

// Dead letters wait again, as if they had never been given out, at their old place.
void Broker::on_resend(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "resend takes no payload");
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
        message->gone = false;
        message->expires = MonoTime::max();
        if (message->durable) {
            turn_.batch->marks.push_back({id, 0, 0});
            needs_disk = true;
        }
        trace_.stored(id, loop_.now().wall);
        box.mail.put_back(std::move(*message));
        ++count;
    }
    if (count != 0) {
        touch(box);
    }
    answer_stored(session, request, counted(request.id, "resent", count), {}, needs_disk);
}

void Broker::on_drop(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "drop takes no payload");
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
            turn_.batch->removals.push_back(id);
            needs_disk = true;
        }
        trace_.ended(id, TraceOutcome::Removed, loop_.now().wall);
        ++count;
    }
    if (count != 0) {
        ++changes_;
    }
    answer_stored(session, request, counted(request.id, "removed", count), {}, needs_disk);
}

void Broker::on_clear(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "clear takes no payload");
    }
    std::vector<std::uint64_t> ids;
    session.box->mail.for_each([&](const Message& message) {
        // What is on its way to the disk is not there yet; a request's asker waits for an answer.
        if (message.correlation == 0 && (!message.durable || message.id <= stored_id_)) {
            ids.push_back(message.id);
        }
    });
    bool needs_disk = false;
    for (const std::uint64_t id : ids) {
        needs_disk = take_away(*session.box, id, TraceOutcome::Removed) || needs_disk;
    }
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "removed");
    wire::append_whole(header, ids.size());
    answer_stored(session, request, std::move(header), {}, needs_disk);
}

}  // namespace berth::relay
