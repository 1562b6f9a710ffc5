#include "agent/relay/peer/exchange.h"

#include <sys/random.h>

#include <utility>

#include "shared/base/ensure.h"
#include "shared/log/log.h"
#include "shared/wire/append.h"
#include "shared/wire/cursor.h"

namespace berth::relay {

namespace {

using wire::MailKind;
using wire::Presence;

constexpr Duration kIdleTick = std::chrono::seconds(1);
constexpr Duration kBusyTick = std::chrono::milliseconds(100);
constexpr std::uint64_t kTicksPerSweep = 20;
constexpr std::uint64_t kAnswerTtlMs = 60'000;

std::uint64_t draw_life() {
    std::uint64_t life = 0;
    ENSURE(::getrandom(&life, sizeof life, 0) == sizeof life, "the system gives random bytes");
    return life >> 2U | 1U;
}

}  // namespace

PeerExchange::PeerExchange(const Uses& uses, const Options& options)
    : uses_(uses),
      life_(draw_life()),
      pending_requests_(options.pending_requests),
      links_(options.send, options.close),
      asked_(uses.loop, uses.host),
      out_({uses.clock, uses.turn, links_, asked_}, options.out),
      in_({uses.loop, uses.clock, uses.turn, uses.host, links_, asked_},
          {options.agent, options.pending_requests, options.rules.accept}),
      events_(uses.loop, links_, options.rules.share_events) {}

void PeerExchange::restore(Stored& stored) {
    in_.restore(stored.cursors);
    out_.restore(stored.epoch, life_, stored.outgoing);
    keep_ticking();
}

// --- from apps of this agent

void PeerExchange::notify(const PeerAddress& to,
                          const Name& from,
                          Outgoing message,
                          std::uint64_t ttl_ms) {
    const WallTime now = uses_.clock.wall();
    TraceEntry entry;
    entry.id = message.id;
    entry.from = from;
    entry.to = std::make_shared<const std::string>(to.agent + '/' + to.app);
    entry.size = message.payload->size();
    entry.accepted = now;
    if (!message.durable) {
        entry.stored = now;
        entry.outcome = TraceOutcome::Waiting;
    }
    send(to, from, std::move(message), ttl_ms);
    uses_.trace.begin(std::move(entry));
}

void PeerExchange::send(const PeerAddress& to,
                        const Name& from,
                        Outgoing message,
                        std::uint64_t ttl_ms) {
    if (out_.send(to, from, std::move(message), ttl_ms)) {
        keep_ticking();
    }
}

Result<void> PeerExchange::request(const PeerAddress& to,
                                   const PeerAsker& asker,
                                   std::chrono::milliseconds timeout,
                                   std::string_view payload) {
    if (reach(to.agent) == "unknown") {
        return fail(ErrorCode::NotFound, "no agent has the name \"" + to.agent + "\"");
    }
    if (asked_.size() >= pending_requests_) {
        return fail(ErrorCode::Exhausted, "too many requests wait for an answer");
    }
    Outgoing message;
    message.id = uses_.turn.take_ids(1);
    message.kind = EnvelopeKind::Request;
    message.payload = std::make_shared<const std::string>(payload);
    message.correlation = uses_.host.draw_correlation();
    asked_.add(message.correlation, to, asker, timeout);
    send(to, asker.app, std::move(message), static_cast<std::uint64_t>(timeout.count()));
    return {};
}

bool PeerExchange::respond(const std::string& app,
                           std::optional<std::string_view> to,
                           std::uint64_t correlation,
                           std::string_view payload) {
    const auto request = in_.take_request(app, to, correlation);
    if (!request) {
        return false;
    }
    uses_.host.withdraw(request->app, request->message);
    Outgoing message;
    message.id = uses_.turn.take_ids(1);
    message.kind = EnvelopeKind::Answer;
    message.payload = std::make_shared<const std::string>(payload);
    message.correlation = request->correlation;
    send(
        request->asker, std::make_shared<const std::string>(app), std::move(message), kAnswerTtlMs);
    return true;
}

// --- links

void PeerExchange::received(std::uint64_t number, std::string_view frame) {
    const auto mail = wire::decode_mail(frame);
    if (!mail) {
        return log::warning("a controller sends what is not understood", {});
    }
    if (mail->kind == MailKind::Hello) {
        return on_hello(number, *mail);
    }
    PeerLink* const link = links_.find(number);
    if (link == nullptr) {
        return links_.ask_who(number);
    }
    PeerLinks::note_frame(*link, frame.size(), *mail, uses_.clock.mono());
    switch (mail->kind) {
        case MailKind::Ping:
            return links_.send(*link, MailKind::Pong, "", "");
        case MailKind::Roster:
            return on_roster(*link, mail->body);
        case MailKind::Envelopes:
            return in_.received(*link, mail->peer, mail->body);
        case MailKind::Receipts:
            return out_.received(mail->peer, mail->body);
        case MailKind::Events: {
            const auto events = read_events(mail->body);
            if (!events) {
                return log::warning("events of another agent are malformed",
                                    {{"agent", std::string(mail->peer)}});
            }
            for (const PeerEvent& event : *events) {
                uses_.host.peer_event(mail->peer, event);
            }
            return;
        }
        case MailKind::Bounce:
            return on_bounce(*link, *mail);
        case MailKind::Hello:
        case MailKind::Welcome:
        case MailKind::Who:
        case MailKind::Pong:
        case MailKind::Listen:
            break;  // what only an agent says
    }
}

// A controller has one link: what it says of itself on a new one ends the one before.
void PeerExchange::on_hello(std::uint64_t number, const wire::MailFrame& mail) {
    const auto hello = wire::decode_mail_hello(mail.body);
    if (!hello) {
        return;
    }
    for (const std::uint64_t other : links_.of(hello->controller)) {
        closed(other);
        if (other != number) {
            links_.close(other);
        }
    }
    PeerLink& link = links_.open(number, *hello, uses_.clock.mono());
    std::string body;
    wire::append_whole(body, life_);
    links_.send(link, MailKind::Welcome, "", body);
    events_.link_opened(number);
    keep_ticking();
}

void PeerExchange::closed(std::uint64_t number) {
    if (links_.forget(number)) {
        in_.link_closed(number);
        out_.link_closed(number);
        events_.link_closed(number);
    }
}

void PeerExchange::on_roster(PeerLink& link, std::string_view body) {
    if (const auto roster = PeerLinks::read_roster(link, body)) {
        for (const auto& [name, presence] : *roster) {
            set_presence(link, name, presence);
        }
    }
}

void PeerExchange::set_presence(PeerLink& link, const std::string& agent, Presence presence) {
    PeerLinks::set_presence(link, agent, presence);
    if (out_.presence_changed(link.number, agent, presence)) {
        keep_ticking();
    }
}

void PeerExchange::on_bounce(PeerLink& link, const wire::MailFrame& mail) {
    wire::Cursor cursor(mail.body);
    const auto reason = static_cast<wire::BounceReason>(cursor.whole().value_or(0));
    const std::string agent(mail.peer);
    if (reason == wire::BounceReason::Away) {
        return set_presence(link, agent, Presence::Away);
    }
    if (reason == wire::BounceReason::Unknown) {
        return set_presence(link, agent, Presence::Gone);
    }
    out_.bounced(link.number, agent);
}

// --- time

bool PeerExchange::end_turn() {
    const bool sent = out_.end_turn();
    const bool acted = in_.end_turn() || sent;
    events_.end_turn();
    return acted;
}

// Nothing ticks while there is no controller; fast while something is under way.
void PeerExchange::keep_ticking() {
    if (links_.empty() && !out_.waits_for_somebody()) {
        return tick_.reset();
    }
    const bool busy = out_.is_busy();
    if (busy || !tick_.active()) {
        tick_ = uses_.loop.after(busy ? kBusyTick : kIdleTick, [this] { tick(); });
    }
}

void PeerExchange::tick() {
    for (const std::uint64_t silent : links_.silent(uses_.clock.mono())) {
        closed(silent);
        links_.close(silent);
    }
    const bool sweep = ++ticks_ % kTicksPerSweep == 0;
    out_.tick(sweep);
    if (sweep) {
        in_.forget_old();
    }
    tick_.reset();
    keep_ticking();
}

// --- the disk

void PeerExchange::gather(Batch& batch) {
    for (const std::uint64_t id : batch.sent) {
        uses_.trace.ended(id, TraceOutcome::Sent, uses_.clock.wall());
    }
    out_.gather();
    in_.gather(batch);
}

void PeerExchange::stored(const Batch& batch) {
    for (const Batch::Outgoing& row : batch.outgoing) {
        uses_.trace.stored(row.id, uses_.clock.wall());
    }
    out_.stored();
    in_.stored();
}

void PeerExchange::failed(const Error& /*error*/) {
    out_.failed();
    in_.failed();
}

}  // namespace berth::relay
