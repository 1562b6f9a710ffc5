#include <utility>

#include "agent/relay/broker/verbs/verbs.h"
#include "shared/wire/append.h"

// Sending, to apps of this agent and of others: notify, with the keys that are used for it,
// request, respond, raise.
namespace berth::relay::verbs {

namespace {

constexpr std::uint64_t kLongestTtlMs = 366ULL * 24 * 3600 * 1000;

// The messages that a notify has made, or made when it was said first.
struct Made {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    bool repeated = false;
};

void begin_notified(std::string& header,
                    std::uint64_t request,
                    const Made& made,
                    std::uint32_t more_members) {
    begin_reply(header, request, Code::Ok, (made.repeated ? 3 : 2) + more_members);
    wire::append_text(header, "ids");
    wire::append_array(header, static_cast<std::uint32_t>(made.count));
    for (std::uint64_t id = made.first; id < made.first + made.count; ++id) {
        wire::append_whole(header, id);
    }
    wire::append_text(header, "known");
}

void end_notified(std::string& header, const Made& made) {
    if (made.repeated) {
        wire::append_text(header, "repeated");
        wire::append_flag(header, true);
    }
}

std::string notified(std::uint64_t request, const Made& made, bool known) {
    std::string header;
    begin_notified(header, request, made, 0);
    wire::append_flag(header, known);
    end_notified(header, made);
    return header;
}

std::string notified_peer(BrokerParts& broker,
                          std::uint64_t request,
                          const Made& made,
                          const PeerAddress& to) {
    std::string header;
    begin_notified(header, request, made, 1);
    if (const auto known = broker.exchange.outgoing().known(to)) {
        wire::append_flag(header, *known);
    } else {
        wire::append_nil(header);
    }
    wire::append_text(header, "agent");
    wire::append_text(header, broker.exchange.reach(to.agent));
    end_notified(header, made);
    return header;
}

// The key of this notify, if it has one; its text is BrokerParts::key.
std::optional<KnownKeys::Fingerprint> key_of(BrokerParts& broker,
                                             const Session& session,
                                             const RequestHeader& request,
                                             std::string_view to) {
    if (!request.args.dedupe) {
        return std::nullopt;
    }
    known_key(broker.key, *session.box->mail.app(), to, *request.args.dedupe);
    return broker.dedupe.fingerprint(broker.key);
}

void remember(BrokerParts& broker,
              Session& session,
              const std::optional<KnownKeys::Fingerprint>& key,
              const Made& made,
              bool durable) {
    if (key) {
        broker.intake.remember(*session.box,
                               *key,
                               {made.first, made.count, broker.clock.key_ms(), broker.key},
                               durable);
    }
}

// A repeated one gets the answer of the first, when that is on the disk.
std::optional<Made> made_before(BrokerParts& broker,
                                const std::optional<KnownKeys::Fingerprint>& key) {
    const KnownKeys::Use* const known = key ? broker.dedupe.find(*key) : nullptr;
    return known == nullptr ? std::nullopt
                            : std::optional(Made{known->first_id, known->count, true});
}

Result<void> check_peer(BrokerParts& broker,
                        const Session& session,
                        const RequestHeader& request,
                        const PeerAddress& to,
                        Frames payload) {
    BERTH_CHECK(broker.apps.check_notify_peer(session, to, *request.args.to));
    std::size_t bytes = 0;
    for (const std::string_view part : payload) {
        if (part.empty()) {
            return fail(ErrorCode::InvalidArgument, "a payload frame is empty");
        }
        bytes += part.size();
    }
    return broker.exchange.outgoing().check_room(to.agent, payload.size(), bytes);
}

void notify_peer(BrokerParts& broker,
                 Session& session,
                 const RequestHeader& request,
                 const PeerAddress& to,
                 Frames payload) {
    const bool durable = request.args.durable.value_or(true);
    const auto room = check_peer(broker, session, request, to, payload);
    std::optional<KnownKeys::Fingerprint> key;
    if (room || room.error().code == ErrorCode::Exhausted) {
        key = key_of(broker, session, request, *request.args.to);
    }
    if (const auto made = made_before(broker, key)) {
        return broker.replies.answer_stored(
            session,
            request.id,
            notified_peer(broker, request.id, *made, to),
            {},
            durable && !broker.exchange.outgoing().on_disk(made->first));
    }
    if (!room) {
        return broker.replies.refuse(session, request.id, room.error());
    }
    const Made made{broker.turn.take_ids(payload.size()), payload.size()};
    const std::uint64_t ttl_ms = std::min(request.args.ttl_ms.value_or(0), kLongestTtlMs);
    std::uint64_t id = made.first;
    for (const std::string_view part : payload) {
        Outgoing message;
        message.id = id++;
        message.payload = std::make_shared<const std::string>(part);
        message.durable = durable;
        broker.exchange.notify(to, session.box->mail.app(), std::move(message), ttl_ms);
    }
    remember(broker, session, key, made, durable);
    broker.replies.answer_stored(
        session, request.id, notified_peer(broker, request.id, made, to), {}, durable);
}

// Into the mailbox of an app of ours. Error: as the sender is told.
Result<Made> take(BrokerParts& broker,
                  Session& session,
                  const RequestHeader& request,
                  std::string_view to,
                  Frames payload) {
    BERTH_TRY(Box* const box, broker.apps.box(to));
    BERTH_CHECK(broker.intake.check_room(*box, payload));
    const Made made{broker.turn.take_ids(payload.size()), payload.size()};
    std::uint64_t id = made.first;
    for (const std::string_view part : payload) {
        Message message;
        message.id = id++;
        message.from = session.box->mail.app();
        message.payload = std::make_shared<const std::string>(part);
        message.time_ms = broker.clock.unix_ms();
        message.durable = request.args.durable.value_or(true);
        broker.intake.take(*box, std::move(message), request.args.ttl_ms.value_or(0));
    }
    return made;
}

}  // namespace

void notify(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!request.args.to || payload.empty()) {
        return broker.replies.refuse(session,
                                     request.id,
                                     Code::Malformed,
                                     "notify needs \"to\" and at least one payload frame");
    }
    if (const auto peer = broker.apps.peer_target(*request.args.to)) {
        return notify_peer(broker, session, request, *peer, payload);
    }
    const auto to = broker.apps.local_target(*request.args.to);
    if (!to) {
        return broker.replies.refuse(session, request.id, to.error());
    }
    if (const auto may = broker.apps.check_notify(session, *to); !may) {
        return broker.replies.refuse(session, request.id, may.error());
    }
    const bool durable = request.args.durable.value_or(true);
    const auto key = key_of(broker, session, request, *to);
    if (const auto made = made_before(broker, key)) {
        return broker.replies.answer_stored(session,
                                            request.id,
                                            notified(request.id, *made, broker.apps.is_known(*to)),
                                            {},
                                            durable && !broker.intake.on_disk(made->first));
    }
    const auto made = take(broker, session, request, *to, payload);
    if (!made) {
        return broker.replies.refuse(session, request.id, made.error());
    }
    remember(broker, session, key, *made, durable);
    broker.replies.answer_stored(
        session, request.id, notified(request.id, *made, broker.apps.is_known(*to)), {}, durable);
}

// --- requests and events

void request(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!request.args.to || payload.size() != 1) {
        return broker.replies.refuse(
            session, request.id, Code::Malformed, "request needs \"to\" and one payload");
    }
    if (const auto peer = broker.apps.peer_target(*request.args.to)) {
        auto asked = check_peer(broker, session, request, *peer, payload);
        if (asked) {
            asked = broker.exchange.request(*peer,
                                            {session.number, request.id, session.box->mail.app()},
                                            request_timeout(request.args),
                                            payload[0]);
        }
        if (!asked) {
            broker.replies.refuse(session, request.id, asked.error());
        }
        return;
    }
    const auto to = broker.apps.local_target(*request.args.to);
    if (!to) {
        return broker.replies.refuse(session, request.id, to.error());
    }
    if (const auto may = broker.apps.check_notify(session, *to); !may) {
        return broker.replies.refuse(session, request.id, may.error());
    }
    if (!broker.apps.is_known(*to)) {
        return broker.replies.refuse(
            session, request.id, Code::NotFound, "no app has the id \"" + std::string(*to) + "\"");
    }
    const auto box = broker.apps.box(*to);
    if (!box) {
        return broker.replies.refuse(session, request.id, box.error());
    }
    if (const auto room = broker.intake.check_room(**box, payload); !room) {
        return broker.replies.refuse(session, request.id, room.error());
    }
    if (broker.requests.size() >= broker.options.limits.pending_requests) {
        return broker.replies.refuse(
            session, request.id, Code::Full, "too many requests wait for an answer");
    }
    const auto timeout = request_timeout(request.args);
    Message message;
    message.id = broker.turn.take_ids(1);
    message.from = session.box->mail.app();
    message.payload = std::make_shared<const std::string>(payload[0]);
    message.time_ms = broker.clock.unix_ms();
    message.correlation = broker.requests.draw();
    message.expires = broker.clock.mono() + timeout;
    broker.requests.ask(session, request.id, **box, message, timeout);
    broker.intake.take(**box, std::move(message), 0);
}

void respond(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    if (!request.args.correlation || payload.size() != 1) {
        return broker.replies.refuse(
            session, request.id, Code::Malformed, "respond needs \"correlation\" and one payload");
    }
    const std::uint64_t correlation = *request.args.correlation;
    const auto& to = request.args.to;
    if (!broker.requests.respond(session, to, correlation, payload[0]) &&
        !broker.exchange.respond(*session.box->mail.app(), to, correlation, payload[0])) {
        return broker.replies.refuse(session,
                                     request.id,
                                     Code::NotFound,
                                     "no request waits for this answer; it may have come too late");
    }
    broker.replies.answer(session, ok_reply(request.id));
}

void raise(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    constexpr std::size_t kLongestType = 256;
    if (!request.args.type || request.args.type->size() > kLongestType || payload.size() > 1) {
        return broker.replies.refuse(
            session,
            request.id,
            Code::Malformed,
            "raise needs \"type\" of at most 256 bytes, and at most one payload");
    }
    const PeerEvent event = broker.events.raise(session, *request.args.type, payload);
    broker.exchange.events().raise(event);
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "seq");
    wire::append_whole(header, event.seq);
    broker.replies.answer(session, header);
}

}  // namespace berth::relay::verbs
