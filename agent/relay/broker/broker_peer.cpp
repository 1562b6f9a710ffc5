#include <algorithm>

#include "agent/relay/broker/broker.h"
#include "shared/base/text.h"
#include "shared/wire/append.h"

// The part of the Broker between its own apps and PeerExchange, which speaks to other agents.
namespace berth::relay {

namespace {

constexpr std::uint64_t kLongestTtlMs = 366ULL * 24 * 3600 * 1000;

}  // namespace

void Broker::make_exchange(Stored& stored) {
    PeerExchange::Options exchange;
    exchange.agent = options_.port.agent;
    exchange.box = limits_.mailbox;
    exchange.total_bytes = limits_.total_bytes;
    exchange.pending_requests = limits_.pending_requests;
    exchange.rules = options_.rules;
    exchange.send = options_.mail_send ? options_.mail_send : [](std::uint64_t, const auto&) {};
    exchange.close = options_.mail_close ? options_.mail_close : [](std::uint64_t) {};
    PeerHost& host = *this;
    exchange_ = std::make_unique<PeerExchange>(loop_, host, std::move(exchange));
    exchange_->restore(stored);
}

// --- of our apps

// "AGENT/ID" with another agent's name; nothing for what is ours, or nobody's.
std::optional<PeerExchange::Target> Broker::far_target(std::string_view to) const {
    const std::size_t slash = to.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view agent = to.substr(0, slash);
    const std::string_view app = to.substr(slash + 1);
    if (agent == options_.port.agent || !is_valid_id(agent) || !is_valid_id(app)) {
        return std::nullopt;
    }
    return PeerExchange::Target{std::string(agent), std::string(app)};
}

Result<void> Broker::check_far(const Session& session,
                               const RequestHeader& request,
                               const PeerExchange::Target& to,
                               Parts payload) {
    // One that has no descriptor was given its secret by hand; there is nowhere to say more.
    const AppFacts* const sender = session.is_operator ? nullptr : facts(*session.box->mail.app());
    if (sender != nullptr && !sender->may_notify) {
        return fail(ErrorCode::PermissionDenied,
                    "without a word about it an app may notify apps of its own agent only; "
                    "[ipc] may_notify = [\"" +
                        to.agent + "/.*\"] in its descriptor allows others");
    }
    if (!session.is_operator &&
        !rights_.allowed(*session.box->mail.app(), Rights::Kind::Notify, *request.args.to)) {
        return fail(ErrorCode::PermissionDenied,
                    "this app may not notify \"" + std::string(*request.args.to) + "\"");
    }
    std::size_t bytes = 0;
    for (const std::string_view part : payload) {
        if (part.empty()) {
            return fail(ErrorCode::InvalidArgument, "a payload frame is empty");
        }
        bytes += part.size();
    }
    return exchange_->check_room(to.agent, payload.size(), bytes);
}

namespace {

std::string far_notified(std::uint64_t request,
                         std::uint64_t first,
                         std::uint64_t count,
                         std::string_view agent,
                         std::optional<bool> known,
                         bool repeated) {
    std::string header;
    begin_reply(header, request, Code::Ok, repeated ? 4 : 3);
    wire::append_text(header, "ids");
    wire::append_array(header, static_cast<std::uint32_t>(count));
    for (std::uint64_t id = first; id < first + count; ++id) {
        wire::append_whole(header, id);
    }
    wire::append_text(header, "known");
    if (known) {
        wire::append_flag(header, *known);
    } else {
        wire::append_nil(header);
    }
    wire::append_text(header, "agent");
    wire::append_text(header, agent);
    if (repeated) {
        wire::append_text(header, "repeated");
        wire::append_flag(header, true);
    }
    return header;
}

}  // namespace

void Broker::notify_far(Session& session,
                        const RequestHeader& request,
                        const PeerExchange::Target& to,
                        Parts payload) {
    const bool durable = request.args.durable.value_or(true);
    const std::string& own = *session.box->mail.app();
    const auto room = check_far(session, request, to, payload);
    std::optional<KnownKeys::Fingerprint> key;
    if (request.args.dedupe && (room || room.error().code == ErrorCode::Exhausted)) {
        known_key(key_, own, *request.args.to, *request.args.dedupe);
        key = known_.fingerprint(key_);
        if (const KnownKeys::Use* const known = known_.find(*key)) {
            const std::uint64_t first = known->first_id;
            const std::uint64_t count = known->count;
            return answer_stored(session,
                                 request,
                                 far_notified(request.id,
                                              first,
                                              count,
                                              exchange_->reach(to.agent),
                                              exchange_->known(to),
                                              true),
                                 {},
                                 durable && !exchange_->on_disk(first));
        }
    }
    if (!room) {
        return refuse(session, request.id, wire::code_of(room.error()), room.error().message);
    }
    const std::uint64_t first = take_ids(payload.size());
    PeerExchange::Letter letter;
    letter.from = session.box->mail.app();
    letter.id = first;
    letter.ttl_ms = std::min(request.args.ttl_ms.value_or(0), kLongestTtlMs);
    letter.durable = durable;
    for (const std::string_view part : payload) {
        letter.payload = part;
        exchange_->send(to, letter);
        note_far(to, letter);
        ++letter.id;
    }
    if (key) {
        remember(*session.box, *key, {first, payload.size(), key_time_ms(), key_}, durable);
    }
    answer_stored(session,
                  request,
                  far_notified(request.id,
                               first,
                               payload.size(),
                               exchange_->reach(to.agent),
                               exchange_->known(to),
                               false),
                  {},
                  durable);
}

void Broker::request_far(Session& session,
                         const RequestHeader& request,
                         const PeerExchange::Target& to,
                         Parts payload) {
    auto asked = check_far(session, request, to, payload);
    if (asked) {
        asked = exchange_->request(to,
                                   {session.number, request.id, session.box->mail.app()},
                                   request_timeout(request.args),
                                   payload[0]);
    }
    if (!asked) {
        refuse(session, request.id, wire::code_of(asked.error()), asked.error().message);
    }
}

void Broker::want_far_events(Session& session, std::vector<std::string> agents) {
    if (agents == session.far_events) {
        return;
    }
    exchange_->listen(agents);
    exchange_->unlisten(session.far_events);
    session.far_events = std::move(agents);
}

// --- of apps of other agents

Result<std::uint64_t> Broker::deliver(const Arrival& arrival) {
    BERTH_TRY(Box* const box, need_box(arrival.to));
    BERTH_CHECK(check_room(*box, {&arrival.payload, 1}));
    if (last_far_ == nullptr || *last_far_ != arrival.from) {
        last_far_ = std::make_shared<const std::string>(arrival.from);
    }
    Message message;
    message.id = take_ids(1);
    message.from = last_far_;
    message.payload = std::make_shared<const std::string>(arrival.payload);
    message.time_ms = arrival.time_ms;
    message.correlation = arrival.correlation;
    message.durable = arrival.durable;
    const std::uint64_t id = message.id;
    keep(*box, std::move(message), std::min(arrival.ttl_ms, kLongestTtlMs));
    return id;
}

void Broker::withdraw(const std::string& app, std::uint64_t id) {
    if (Box* const box = find_box(app)) {
        (void)take_away(*box, id, TraceOutcome::Answered);
    }
}

void Broker::tell(std::uint64_t session, std::span<const std::string_view> parts) {
    if (Session* const asker = find_session(session)) {
        asker->link->send(parts);
    }
}

void Broker::peer_event(std::string_view agent, const PeerEvent& event) {
    const std::string from = std::string(agent) + '/' + std::string(event.from);
    const std::string header = event_header({event.seq, event.type, from, event.time_ms, agent});
    std::vector<std::string_view> parts = {header};
    if (event.payload) {
        parts.push_back(*event.payload);
    }
    note_event(std::make_shared<const std::string>(from), event.type, std::span(parts).subspan(1));
    push_event(parts, [agent](const Session& listener) {
        return std::any_of(
            listener.far_events.begin(),
            listener.far_events.end(),
            [agent](const std::string& name) { return name == "*" || name == agent; });
    });
}

}  // namespace berth::relay
