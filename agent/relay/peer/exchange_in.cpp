#include <utility>

#include "agent/relay/peer/exchange.h"
#include "shared/log/log.h"

// The part of PeerExchange that receives: messages, requests and events of other agents.
namespace berth::relay {

namespace {

using wire::MailKind;

constexpr std::uint64_t kAnswerTtlMs = 60'000;
constexpr std::uint64_t kLongestRequestMs = 3'600'000;

std::string full_name(const std::string& agent, std::string_view app) {
    return agent + '/' + std::string(app);
}

}  // namespace

void PeerExchange::on_envelopes(Link& link, const wire::MailFrame& mail) {
    const auto read = read_envelopes(mail.body);
    if (!read) {
        return log::warning("parcels of another agent are malformed",
                            {{"agent", std::string(mail.peer)}});
    }
    const auto sender = std::make_shared<const Sender>(Sender{
        link.number, std::string(mail.peer), std::string(read->origin.epoch), read->origin.life});
    for (const Envelope& envelope : read->envelopes) {
        on_envelope(sender, envelope);
    }
}

StreamCursor& PeerExchange::cursor_of(const Sender& sender, const Envelope& envelope) {
    if (last_cursor_ != nullptr && last_cursor_->row.to == envelope.to &&
        last_cursor_->row.from == envelope.from && last_cursor_->row.epoch == sender.epoch &&
        last_cursor_->row.agent == sender.agent) {
        return *last_cursor_;
    }
    last_cursor_ = &cursors_.need(sender.agent, sender.epoch, envelope.from, envelope.to);
    return *last_cursor_;
}

void PeerExchange::say(const Sender& sender, const Receipt& receipt) {
    std::string& body = replies_[sender];
    if (body.empty()) {
        begin_receipts(body, {sender.epoch, sender.life});
    }
    append_receipt(body, receipt);
}

void PeerExchange::on_envelope(const std::shared_ptr<const Sender>& sender,
                               const Envelope& envelope) {
    StreamCursor& cursor = cursor_of(*sender, envelope);
    cursor.row.used_ms = host_.wall_ms();
    const auto place = StreamCursors::place(cursor, envelope.id, envelope.before);
    if (place == StreamCursors::Place::Gap) {
        return say(*sender, {envelope.stream, envelope.id, Code::WrongState, false, ""});
    }
    if (place == StreamCursors::Place::Known) {
        if (envelope.id == cursor.refused) {
            return say(*sender, {envelope.stream, envelope.id, cursor.code, false, cursor.why});
        }
        // What is not on the disk yet counts only when it is; later ones go there with it.
        if (envelope.id > cursor.settled && cursor.on_the_way > 0) {
            turn_.receipts.push_back({sender, &cursor, envelope.stream, envelope.id, false});
            return;
        }
        return say(*sender,
                   {envelope.stream, envelope.id, Code::Ok, host_.app_known(envelope.to), ""});
    }
    if (const auto error = take(*sender, envelope)) {
        const Code code = wire::code_of(*error);
        if (code != Code::Full) {
            cursor.row.last = envelope.id;
            cursor.refused = envelope.id;
            cursor.code = code;
            cursor.why = error->message;
        }
        return say(*sender, {envelope.stream, envelope.id, code, false, error->message});
    }
    cursor.row.last = envelope.id;
    if (!envelope.durable) {
        cursor.settled = cursor.on_the_way == 0 ? envelope.id : cursor.settled;
        return say(*sender,
                   {envelope.stream, envelope.id, Code::Ok, host_.app_known(envelope.to), ""});
    }
    ++cursor.on_the_way;
    if (!cursor.dirty) {
        cursor.dirty = true;
        dirty_.push_back(&cursor);
    }
    turn_.receipts.push_back({sender, &cursor, envelope.stream, envelope.id, true});
}

std::optional<Error> PeerExchange::take(const Sender& sender, const Envelope& envelope) {
    if (envelope.kind == EnvelopeKind::Answer) {
        take_answer(sender, envelope);
        return std::nullopt;
    }
    if (!rules_.allowed("accept", Rights::Kind::Notify, sender.agent)) {
        return Error{ErrorCode::PermissionDenied,
                     "agent \"" + options_.agent + "\" does not accept messages of yours",
                     0};
    }
    const auto taken = envelope.kind == EnvelopeKind::Request
                           ? take_request(sender, envelope)
                           : host_.deliver({full_name(sender.agent, envelope.from),
                                            envelope.to,
                                            envelope.time_ms,
                                            envelope.ttl_ms,
                                            envelope.durable,
                                            0,
                                            envelope.payload});
    return taken ? std::nullopt : std::optional(taken.error());
}

Result<std::uint64_t> PeerExchange::take_request(const Sender& sender, const Envelope& envelope) {
    if (!host_.app_known(envelope.to)) {
        return fail(ErrorCode::NotFound,
                    "no app has the id \"" + full_name(options_.agent, envelope.to) + "\"");
    }
    if (asking_.size() >= options_.pending_requests) {
        return fail(ErrorCode::Exhausted, "too many requests wait for an answer");
    }
    const std::uint64_t correlation = host_.draw_correlation();
    const std::uint64_t ttl_ms =
        envelope.ttl_ms == 0 ? kLongestRequestMs : std::min(envelope.ttl_ms, kLongestRequestMs);
    BERTH_TRY(const std::uint64_t id,
              host_.deliver({full_name(sender.agent, envelope.from),
                             envelope.to,
                             envelope.time_ms,
                             ttl_ms,
                             false,
                             correlation,
                             envelope.payload}));
    Asking& asking = asking_[correlation];
    asking.agent = sender.agent;
    asking.from = envelope.from;
    asking.app = envelope.to;
    asking.correlation = envelope.correlation;
    asking.message = id;
    asking.timeout = loop_.after(std::chrono::milliseconds(ttl_ms),
                                 [this, correlation] { asking_.erase(correlation); });
    return id;
}

// Only from whom the request went to.
void PeerExchange::take_answer(const Sender& sender, const Envelope& envelope) {
    const auto found = asked_.find(envelope.correlation);
    if (found == asked_.end() || found->second.to.agent != sender.agent ||
        found->second.to.app != envelope.from || *found->second.asker.app != envelope.to) {
        return;  // too late, or not meant for us
    }
    const Asker asker = found->second.asker;
    asked_.erase(found);
    const std::string header = ok_reply(asker.request);
    const std::array<std::string_view, 2> parts = {header, envelope.payload};
    host_.tell(asker.session, parts);
}

bool PeerExchange::respond(const std::string& app,
                           std::optional<std::string_view> to,
                           std::uint64_t correlation,
                           std::string_view payload) {
    const auto found = asking_.find(correlation);
    if (found == asking_.end() || found->second.app != app ||
        (to && *to != full_name(found->second.agent, found->second.from))) {
        return false;
    }
    const Asking asking = std::move(found->second);
    asking_.erase(found);
    host_.withdraw(asking.app, asking.message);
    Letter letter;
    letter.kind = EnvelopeKind::Answer;
    letter.from = std::make_shared<const std::string>(app);
    letter.id = host_.draw_id();
    letter.ttl_ms = kAnswerTtlMs;
    letter.correlation = asking.correlation;
    letter.payload = payload;
    send({asking.agent, asking.from}, letter);
    return true;
}

// --- events

void PeerExchange::raise(const PeerEvent& event) {
    const auto& share = options_.rules.share_events;
    for (auto& [number, link] : links_) {
        if (!share) {
            gather(*link, "", event);
            continue;
        }
        for (const auto& [agent, presence] : link->roster) {
            if (presence == wire::Presence::Connected && agent != link->name &&
                rules_.allowed("share", Rights::Kind::Notify, agent)) {
                gather(*link, agent, event);
            }
        }
    }
}

// Events are no messages: what a controller does not take in time it does not get.
void PeerExchange::gather(Link& link, const std::string& receiver, const PeerEvent& event) {
    constexpr std::size_t kMost = 4U << 20U;  // bytes that wait, and that are on their way
    const std::size_t size = event.payload ? event.payload->size() : 0;
    const bool alone = link.event_bytes == 0 && link.sent - link.taken < kMost;
    if (!alone && (link.event_bytes + size > kMost || link.sent - link.taken > kMost)) {
        if (!std::exchange(link.lost_events, true)) {
            log::warning("other agents miss events: there are too many", {});
        }
        return;
    }
    std::string& body = link.events[receiver];
    link.event_bytes -= body.size();
    append_event(body, event);
    link.event_bytes += body.size();
}

// Few large frames rather than many small ones: a socket's queue counts frames.
void PeerExchange::send_events(Link& link) {
    constexpr Duration kPause = std::chrono::milliseconds(10);
    const MonoTime now = loop_.now().mono;
    if (link.events.empty()) {
        return;
    }
    if (now < link.next_events) {
        if (!later_events_.active()) {
            later_events_ = loop_.at(link.next_events, [this] { later_events_.reset(); });
        }
        return;
    }
    for (const auto& [receiver, body] : link.events) {
        send_frame(link, MailKind::Events, receiver, body);
    }
    link.events.clear();
    link.event_bytes = 0;
    link.lost_events = false;
    link.next_events = now + kPause;
}

void PeerExchange::on_events(const wire::MailFrame& mail) {
    const auto events = read_events(mail.body);
    if (!events) {
        return log::warning("events of another agent are malformed",
                            {{"agent", std::string(mail.peer)}});
    }
    for (const PeerEvent& event : *events) {
        host_.peer_event(mail.peer, event);
    }
}

}  // namespace berth::relay
