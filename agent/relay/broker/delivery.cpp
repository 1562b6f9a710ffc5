#include "agent/relay/broker/delivery.h"

#include <algorithm>
#include <array>
#include <utility>

#include "shared/log/log.h"
#include "shared/wire/append.h"

namespace berth::relay {

namespace {

constexpr std::size_t kMaxPollBytes = 1U << 20U;  // of one answer, beyond its first message

}  // namespace

std::string polled_header(std::uint64_t request, std::size_t messages) {
    std::string header;
    begin_reply(header, request, Code::Ok, 1);
    wire::append_text(header, "messages");
    wire::append_array(header, static_cast<std::uint32_t>(messages));
    return header;
}

bool Delivery::give_out_touched() {
    bool any = false;
    for (auto boxes = uses_.boxes.take_touched(); !boxes.empty();
         boxes = uses_.boxes.take_touched()) {
        for (Box* const box : boxes) {
            box->touched = false;
            give_out(*box);
        }
        any = true;
    }
    return any;
}

void Delivery::release(Box& box, const Session& session) {
    note_failed(box, box.mail.release(session.number));
    uses_.boxes.touch(box);
}

Message* Delivery::next(Box& box) {
    std::vector<std::uint64_t> expired;
    Message* const message = box.mail.next(uses_.intake.stored_id(), uses_.clock.mono(), expired);
    auto& removals = uses_.turn.batch().removals;
    removals.insert(removals.end(), expired.begin(), expired.end());
    for (const std::uint64_t id : expired) {
        uses_.trace.ended(id, TraceOutcome::Expired, uses_.clock.wall());
    }
    return message;
}

void Delivery::give(Box& box, Message& message, Session& receiver) {
    const MonoTime due = uses_.clock.mono() + box.redeliver_after;
    box.mail.give(message, receiver.number, due);
    uses_.trace.given(message.id, uses_.clock.wall());
    message.pushed = 0;
    ++receiver.window;
    if (!box.redelivery.active() || due < box.redelivery_at) {
        redeliver_at(box, due);
    }
}

void Delivery::redeliver_at(Box& box, MonoTime due) {
    box.redelivery_at = due;
    box.redelivery = uses_.loop.at(due, [this, &box] { redeliver(box); });
}

namespace {

// A message that failed before is given out alone, when it may fail for good: what ends its
// receiver then takes no other with it.
bool goes_alone(const Box& box, const Message& message) {
    return box.max_attempts != 0 && message.failures != 0;
}

}  // namespace

void Delivery::give_out(Box& box) {
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

void Delivery::push_to(Box& box, Session& receiver) {
    std::array<std::string_view, 2> parts;
    while (receiver.alone == 0 && receiver.window < uses_.limits.window &&
           receiver.link->backlog() < uses_.limits.backlog) {
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

bool Delivery::serve(Box& box, const Waiter& waiter) {
    Session* const receiver = uses_.sessions.find(waiter.session);
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
            uses_.trace.given(message->id, uses_.clock.wall());
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
    std::string header = polled_header(waiter.request, payloads.size());
    header += metas;
    uses_.replies.answer_stored(
        *receiver, waiter.request, std::move(header), std::move(payloads), needs_disk);
    return true;
}

void Delivery::wait(Box& box, std::shared_ptr<Waiter> waiter, std::uint64_t wait_ms) {
    const std::uint64_t session = waiter->session;
    const std::uint64_t request = waiter->request;
    waiter->timeout =
        uses_.loop.after(std::chrono::milliseconds(wait_ms), [this, &box, session, request] {
            const auto at = std::find_if(
                box.waiters.begin(), box.waiters.end(), [&](const std::shared_ptr<Waiter>& one) {
                    return one->session == session && one->request == request;
                });
            if (at == box.waiters.end()) {
                return;
            }
            box.waiters.erase(at);
            uses_.replies.send(session, polled_header(request, 0), {});
        });
    box.waiters.push_back(std::move(waiter));
}

void Delivery::redeliver(Box& box) {
    std::vector<Mailbox::Returned> returned;
    const auto next_due = box.mail.release_due(uses_.clock.mono(), returned);
    std::vector<std::uint64_t> ids;
    for (const Mailbox::Returned& message : returned) {
        let_go(message.holder, message.id);
        ids.push_back(message.id);
    }
    note_failed(box, ids);
    if (next_due) {
        redeliver_at(box, *next_due);
    } else {
        box.redelivery.reset();
    }
    if (!returned.empty()) {
        uses_.boxes.touch(box);
    }
}

void Delivery::let_go(std::uint64_t holder, std::uint64_t id) {
    if (Session* const session = uses_.sessions.find(holder)) {
        --session->window;
        session->alone = session->alone == id ? 0 : session->alone;
    }
}

void Delivery::note_failed(Box& box, const std::vector<std::uint64_t>& ids) {
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
        const std::uint64_t dead_ms = ends ? uses_.clock.unix_ms() : 0;
        if (message->durable) {
            uses_.turn.batch().marks.push_back({id, message->failures, dead_ms});
        }
        if (ends) {
            uses_.trace.ended(id, TraceOutcome::Dead, uses_.clock.wall());
            Message dead_letter = box.mail.take_out(id);
            dead_letter.dead_ms = dead_ms;
            box.dead.add(std::move(dead_letter));
            ++dead;
        }
    }
    if (dead != 0) {
        log::warning("messages are dead letters now: they were given out as often as is allowed",
                     {{"app", *box.mail.app()}, {"messages", std::to_string(dead)}});
    }
}

bool Delivery::take_away(Box& box, std::uint64_t id, TraceOutcome why) {
    const auto removed = box.mail.remove(id);
    if (!removed) {
        return false;
    }
    if (why == TraceOutcome::Acknowledged || why == TraceOutcome::Answered) {
        ++box.taken;
        box.out.add(uses_.clock.mono(), 1);
    }
    uses_.trace.ended(id, why, uses_.clock.wall());
    ++removed_;
    if (removed->holder != 0) {
        let_go(removed->holder, id);
    }
    if (removed->durable) {
        uses_.turn.batch().removals.push_back(id);
    }
    return removed->durable;
}

}  // namespace berth::relay
