#include <sodium.h>

#include "agent/relay/broker/verbs/verbs.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/wire/append.h"

// Who speaks, and with whom.
namespace berth::relay::verbs {

namespace {

bool same_secret(std::string_view given, const std::string& expected) {
    return given.size() == expected.size() && !expected.empty() &&
           sodium_memcmp(given.data(), expected.data(), expected.size()) == 0;
}

}  // namespace

void hello(BrokerParts& broker, Session& session, const RequestHeader& request, Frames payload) {
    const Args& args = request.args;
    const auto agents = args.agents ? read_names(*args.agents) : std::vector<std::string>();
    if (!args.app || !args.secret || !payload.empty() || !is_valid_id(*args.app) || !agents) {
        return broker.replies.refuse(
            session,
            request.id,
            Code::Malformed,
            "hello needs \"app\" and \"secret\", no payload; \"agent\" is a name or a list");
    }
    const auto secret = broker.options.secret_of(std::string(*args.app));
    if (!secret || !same_secret(*args.secret, *secret)) {
        log::warning("refused a client with a wrong secret", {{"app", std::string(*args.app)}});
        return broker.replies.refuse(
            session,
            request.id,
            Code::Unauthenticated,
            "this is not the secret of \"" + std::string(*args.app) + "\"");
    }
    if (session.box != nullptr && *session.box->mail.app() != *args.app) {
        return broker.replies.refuse(
            session,
            request.id,
            Code::WrongState,
            "this connection is \"" + *session.box->mail.app() + "\" already");
    }
    const auto box = broker.apps.box(*args.app);
    if (!box) {
        return broker.replies.refuse(session, request.id, Code::Full, box.error().message);
    }
    if (session.box == nullptr) {
        session.box = *box;
        session.secret = *secret;
        ++session.box->sessions;
        session.box->seen = true;
        session.link->authenticated();
    }
    const bool messages = args.subscribe.value_or(false);
    const bool events = messages || args.events.value_or(false);
    broker.subscribe(session, messages, events);
    broker.want_peer_events(session, events ? *agents : std::vector<std::string>());
    std::string header;
    begin_reply(header, request.id, Code::Ok, 3);
    wire::append_text(header, "agent");
    wire::append_text(header, broker.options.port.agent);
    wire::append_text(header, "version");
    wire::append_text(header, broker.options.port.version);
    wire::append_text(header, "redeliver_ms");
    wire::append_whole(
        header,
        static_cast<std::uint64_t>(session.box->redeliver_after / std::chrono::milliseconds(1)));
    broker.replies.answer(session, header);
}

void ping(BrokerParts& broker, Session& session, const RequestHeader& request, Frames /*payload*/) {
    broker.replies.answer(session, ok_reply(request.id));
}

void version(BrokerParts& broker,
             Session& session,
             const RequestHeader& request,
             Frames /*payload*/) {
    std::string header;
    begin_reply(header, request.id, Code::Ok, 2);
    wire::append_text(header, "agent");
    wire::append_text(header, broker.options.port.agent);
    wire::append_text(header, "version");
    wire::append_text(header, broker.options.port.version);
    broker.replies.answer(session, header);
}

}  // namespace berth::relay::verbs
