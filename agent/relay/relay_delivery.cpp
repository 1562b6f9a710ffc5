#include <algorithm>

#include "agent/relay/relay.h"
#include "shared/wire/append.h"

// The part of the Relay that gives messages out and takes them away: push, poll, ack, clear.
namespace berth::relay {

namespace {

constexpr std::size_t kMaxPoll = 1000;
constexpr std::size_t kMaxPollBytes = 1U << 20U;  // of one answer, beyond its first message
constexpr std::uint64_t kLongestWaitMs = 3'600'000;

}  // namespace

// --- giving out
// ----------------------------------------------------------------------------------

Message* Relay::next(Box& box) {
    std::vector<std::uint64_t> expired;
    Message* const message = box.mail.next(stored_id_, loop_.now().mono, expired);
    auto& removals = turn_.batch->removals;
    removals.insert(removals.end(), expired.begin(), expired.end());
    for (const std::uint64_t id : expired) {
        trace_.ended(id, TraceOutcome::Expired, loop_.now().wall);
    }
    return message;
}

void Relay::give(Box& box, Message& message, Session& receiver) {
    const MonoTime due = loop_.now().mono + limits_.redelivery;
    box.mail.give(message, receiver.number, due);
    trace_.given(message.id, loop_.now().wall);
    ++receiver.window;
    if (!box.redelivery.active()) {
        box.redelivery = loop_.at(due, [this, &box] { redeliver(box); });
    }
}

void Relay::give_out(Box& box) {
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

void Relay::push_to(Box& box, Session& receiver) {
    std::array<std::string_view, 2> parts;
    while (receiver.window < limits_.window && receiver.link->backlog() < limits_.backlog) {
        Message* const message = next(box);
        if (message == nullptr) {
            return;
        }
        give(box, *message, receiver);
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

bool Relay::serve(Box& box, Waiter& waiter) {
    Session* const receiver = find_session(waiter.session);
    if (receiver == nullptr) {
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

void Relay::on_poll(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "poll takes no payload");
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
    const std::uint64_t wait = std::min(request.args.wait_ms.value_or(0), kLongestWaitMs);
    if (waiter->max > 0 && wait > 0) {
        return wait_for_messages(box, std::move(waiter), wait);
    }
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "messages");
    wire::append_array(header, 0);
    answer_stored(session, request, std::move(header), {}, waiter->needs_disk);
}

void Relay::wait_for_messages(Box& box, std::shared_ptr<Waiter> waiter, std::uint64_t wait_ms) {
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

void Relay::redeliver(Box& box) {
    std::vector<std::uint64_t> holders;
    const auto next_due = box.mail.release_due(loop_.now().mono, holders);
    for (const std::uint64_t holder : holders) {
        if (Session* const session = find_session(holder)) {
            --session->window;
        }
    }
    if (next_due) {
        box.redelivery = loop_.at(*next_due, [this, &box] { redeliver(box); });
    } else {
        box.redelivery.reset();
    }
    if (!holders.empty()) {
        touch(box);
    }
}

// --- taking away
// ---------------------------------------------------------------------------------

bool Relay::take_away(Box& box, std::uint64_t id, TraceOutcome why) {
    const auto removed = box.mail.remove(id);
    if (!removed) {
        return false;
    }
    note_taken(box, id, why);
    ++removed_;
    if (removed->holder != 0) {
        if (Session* const holder = find_session(removed->holder)) {
            --holder->window;
        }
    }
    if (removed->durable) {
        turn_.batch->removals.push_back(id);
    }
    return removed->durable;
}

bool Relay::acknowledge(Session& session, const IdList& ids) {
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

void Relay::on_ack(Session& session, const RequestHeader& request, Parts payload) {
    if (!payload.empty()) {
        return refuse(session, request.id, Code::Malformed, "ack takes no payload");
    }
    const bool needs_disk = acknowledge(session, request.args.ids);
    answer_stored(session, request, ok_reply(request.id), {}, needs_disk);
}

void Relay::on_clear(Session& session, const RequestHeader& request, Parts payload) {
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
