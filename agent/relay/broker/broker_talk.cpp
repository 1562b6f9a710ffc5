#include <sodium.h>

#include <algorithm>

#include "agent/relay/broker/broker.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/wire/append.h"

// The part of the Broker that talks: hello, requests and answers, events, and control of apps.
namespace berth::relay {

namespace {

bool same_secret(std::string_view given, const std::string& expected) {
    return given.size() == expected.size() && !expected.empty() &&
           sodium_memcmp(given.data(), expected.data(), expected.size()) == 0;
}

void append_facts(std::string& out, const AppFacts& app) {
    wire::append_map(out, 6);
    wire::append_text(out, "id");
    wire::append_text(out, app.id);
    wire::append_text(out, "name");
    wire::append_text(out, app.name);
    wire::append_text(out, "state");
    wire::append_text(out, kAppStateNames.name(app.state));
    wire::append_text(out, "pid");
    if (app.pid) {
        wire::append_whole(out, static_cast<std::uint64_t>(*app.pid));
    } else {
        wire::append_nil(out);
    }
    wire::append_text(out, "reason");
    wire::append_text(out, app.reason);
    wire::append_text(out, "restarts");
    wire::append_whole(out, app.restarts);
}

}  // namespace

void Broker::on_hello(Session& session, const RequestHeader& request, Parts payload) {
    const Args& args = request.args;
    const auto agents = args.agents ? read_names(*args.agents) : std::vector<std::string>();
    if (!args.app || !args.secret || !payload.empty() || !is_valid_id(*args.app) || !agents) {
        return refuse(
            session,
            request.id,
            Code::Malformed,
            "hello needs \"app\" and \"secret\", no payload; \"agent\" is a name or a list");
    }
    const auto secret = options_.secret_of(std::string(*args.app));
    if (!secret || !same_secret(*args.secret, *secret)) {
        log::warning("refused a client with a wrong secret", {{"app", std::string(*args.app)}});
        return refuse(session,
                      request.id,
                      Code::Unauthenticated,
                      "this is not the secret of \"" + std::string(*args.app) + "\"");
    }
    if (session.box != nullptr && *session.box->mail.app() != *args.app) {
        return refuse(session,
                      request.id,
                      Code::WrongState,
                      "this connection is \"" + *session.box->mail.app() + "\" already");
    }
    const auto box = need_box(*args.app);
    if (!box) {
        return refuse(session, request.id, Code::Full, box.error().message);
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
    subscribe(session, messages, events);
    want_far_events(session, events ? *agents : std::vector<std::string>());
    std::string header;
    begin_reply(header, request.id, Code::Ok, 3);
    wire::append_text(header, "agent");
    wire::append_text(header, options_.port.agent);
    wire::append_text(header, "version");
    wire::append_text(header, options_.port.version);
    wire::append_text(header, "redeliver_ms");
    wire::append_whole(
        header,
        static_cast<std::uint64_t>(session.box->redeliver_after / std::chrono::milliseconds(1)));
    answer(session, header);
}

void Broker::secret_changed(const std::string& app) {
    std::vector<Session*> revoked;
    for (const auto& [number, session] : sessions_) {
        if (session->box == nullptr || session->is_operator ||
            (!app.empty() && *session->box->mail.app() != app)) {
            continue;
        }
        const auto secret = options_.secret_of(*session->box->mail.app());
        if (!secret || *secret != session->secret) {
            revoked.push_back(session.get());
        }
    }
    for (Session* const session : revoked) {
        log::warning("the secret of a client was revoked; its connection is closed",
                     {{"app", *session->box->mail.app()}});
        session->link->close();
    }
}

void Broker::authorize_operator(Session& session, const std::string& app) {
    const auto box = need_box(app);
    if (box) {
        session.box = *box;
        ++session.box->sessions;
        session.is_operator = true;
    }
}

void Broker::on_ping(Session& session, const RequestHeader& request, Parts /*payload*/) {
    answer(session, ok_reply(request.id));
}

void Broker::on_version(Session& session, const RequestHeader& request, Parts /*payload*/) {
    std::string header;
    begin_reply(header, request.id, Code::Ok, 2);
    wire::append_text(header, "agent");
    wire::append_text(header, options_.port.agent);
    wire::append_text(header, "version");
    wire::append_text(header, options_.port.version);
    answer(session, header);
}

void Broker::on_list(Session& session, const RequestHeader& request, Parts /*payload*/) {
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "apps");
    wire::append_array(header, static_cast<std::uint32_t>(apps_.size()));
    for (const auto& [id, app] : apps_) {
        append_facts(header, app);
    }
    answer(session, header);
}

// --- requests between apps

void Broker::on_request(Session& session, const RequestHeader& request, Parts payload) {
    const auto fail_with = [&](const Error& error) {
        refuse(session, request.id, wire::code_of(error), error.message);
    };
    if (!request.args.to || payload.size() != 1) {
        return refuse(session, request.id, Code::Malformed, "request needs \"to\" and one payload");
    }
    if (const auto far = far_target(*request.args.to)) {
        return request_far(session, request, *far, payload);
    }
    const auto to = local_target(*request.args.to);
    if (!to) {
        return fail_with(to.error());
    }
    if (!session.is_operator &&
        !rights_.allowed(*session.box->mail.app(), Rights::Kind::Notify, *to)) {
        return refuse(session,
                      request.id,
                      Code::Forbidden,
                      "this app may not notify \"" + std::string(*to) + "\"");
    }
    if (!is_known(*to)) {
        return refuse(
            session, request.id, Code::NotFound, "no app has the id \"" + std::string(*to) + "\"");
    }
    const auto box = need_box(*to);
    if (!box) {
        return fail_with(box.error());
    }
    if (auto room = check_room(**box, payload); !room) {
        return fail_with(room.error());
    }
    if (requests_.size() >= limits_.pending_requests) {
        return refuse(session, request.id, Code::Full, "too many requests wait for an answer");
    }
    const auto timeout = request_timeout(request.args);
    Message message;
    message.id = take_ids(1);
    message.from = session.box->mail.app();
    message.payload = std::make_shared<const std::string>(payload[0]);
    message.time_ms = now_ms();
    message.correlation = requests_.draw();
    message.expires = loop_.now().mono + timeout;
    PendingRequest pending;
    pending.session = session.number;
    pending.request_id = request.id;
    pending.message_id = message.id;
    pending.to = *box;
    pending.timeout = loop_.after(timeout, [this, correlation = message.correlation] {
        end_request(correlation, Code::TimedOut, "no answer in time");
    });
    requests_.add(message.correlation, std::move(pending));
    note_new(**box, message);
    (*box)->mail.add(std::move(message));
    touch(**box);
}

void Broker::end_request(std::uint64_t correlation, Code code, std::string_view why) {
    const auto pending = requests_.take(correlation);
    if (!pending) {
        return;
    }
    const auto outcome = code == Code::TimedOut ? TraceOutcome::TimedOut : TraceOutcome::Removed;
    (void)take_away(*pending->to, pending->message_id, outcome);
    trace_.ended(pending->message_id, outcome, loop_.now().wall);
    answer_request(*pending, error_header(pending->request_id, code, why), {});
}

void Broker::answer_request(const PendingRequest& pending, std::string_view header, Parts payload) {
    Session* const asker = find_session(pending.session);
    if (asker == nullptr) {
        return;
    }
    std::vector<std::string_view> parts = {header};
    parts.insert(parts.end(), payload.begin(), payload.end());
    asker->link->send(parts);
}

void Broker::on_respond(Session& session, const RequestHeader& request, Parts payload) {
    if (!request.args.correlation || payload.size() != 1) {
        return refuse(
            session, request.id, Code::Malformed, "respond needs \"correlation\" and one payload");
    }
    const PendingRequest* const found = requests_.find(*request.args.correlation);
    // To whom a request of somebody else's goes is nobody's business: as if there were none.
    const bool ours = found != nullptr && found->to == session.box;
    const Session* const asker = ours ? find_session(found->session) : nullptr;
    const bool named =
        asker != nullptr && (!request.args.to || *request.args.to == *asker->box->mail.app());
    if (!named &&
        exchange_->respond(
            *session.box->mail.app(), request.args.to, *request.args.correlation, payload[0])) {
        return answer(session, ok_reply(request.id));
    }
    if (!named) {
        return refuse(session,
                      request.id,
                      Code::NotFound,
                      "no request waits for this answer; it may have come too late");
    }
    const auto pending = requests_.take(*request.args.correlation);
    (void)take_away(*pending->to, pending->message_id, TraceOutcome::Answered);
    trace_.ended(pending->message_id, TraceOutcome::Answered, loop_.now().wall);
    answer_request(*pending, ok_reply(pending->request_id), payload);
    answer(session, ok_reply(request.id));
}

// --- events

void Broker::on_raise(Session& session, const RequestHeader& request, Parts payload) {
    constexpr std::size_t kLongestType = 256;
    if (!request.args.type || request.args.type->size() > kLongestType || payload.size() > 1) {
        return refuse(session,
                      request.id,
                      Code::Malformed,
                      "raise needs \"type\" of at most 256 bytes, and at most one payload");
    }
    const std::uint64_t seq = next_seq_++;
    const std::string& own = *session.box->mail.app();
    const std::string event =
        event_header({seq, *request.args.type, own, now_ms(), options_.port.agent});
    std::vector<std::string_view> parts = {event};
    parts.insert(parts.end(), payload.begin(), payload.end());
    note_event(session.box->mail.app(), *request.args.type, payload);
    push_event(parts, [&](const Session& listener) { return listener.box != session.box; });
    exchange_->raise({seq,
                      *request.args.type,
                      own,
                      now_ms(),
                      payload.empty() ? std::nullopt : std::optional(payload[0])});
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "seq");
    wire::append_whole(header, seq);
    answer(session, header);
}

void Broker::push_event(Parts parts, const std::function<bool(const Session&)>& wanted) {
    std::vector<Session*> slow;
    for (Session* const listener : listeners_) {
        if (!wanted(*listener)) {
            continue;
        }
        // Nothing is dropped in silence: who does not read loses the connection, and sees that.
        if (listener->link->backlog() > limits_.max_backlog) {
            slow.push_back(listener);
        } else {
            listener->link->send(parts);
        }
    }
    for (Session* const listener : slow) {
        log::warning("a client does not read its events; its connection is closed",
                     {{"app", *listener->box->mail.app()}});
        listener->link->close();
    }
}

// --- apps

namespace {

std::string controlled_header(std::uint64_t request, const Controlled& outcome) {
    std::string header;
    const bool failed = outcome.error.has_value();
    begin_reply(header, request, failed ? wire::code_of(*outcome.error) : Code::Ok, failed ? 3 : 2);
    wire::append_text(header, "found");
    wire::append_flag(header, outcome.found);
    wire::append_text(header, "state");
    if (outcome.found) {
        wire::append_text(header, kAppStateNames.name(outcome.state));
    } else {
        wire::append_nil(header);
    }
    if (failed) {
        wire::append_text(header, "error");
        wire::append_text(header, outcome.error->message);
    }
    return header;
}

}  // namespace

void Broker::on_control(Session& session, const RequestHeader& request, Parts /*payload*/) {
    if (!request.args.app) {
        return refuse(session, request.id, Code::Malformed, "\"app\" is missing");
    }
    const auto target = local_target(*request.args.app);
    if (!target) {
        return refuse(session, request.id, wire::code_of(target.error()), target.error().message);
    }
    const std::string& own = *session.box->mail.app();
    if (!session.is_operator && !rights_.allowed(own, Rights::Kind::Control, *target)) {
        return refuse(session,
                      request.id,
                      Code::Forbidden,
                      "this app may not control \"" + std::string(*target) + "\"");
    }
    options_.port.control(
        request.verb,
        std::string(*target),
        "app \"" + own + "\"",
        [this, number = session.number, id = request.id](const Controlled& outcome) {
            if (Session* const asker = find_session(number)) {
                answer(*asker, controlled_header(id, outcome));
            }
        });
}

void Broker::on_facts(Session& session, const RequestHeader& request, Parts /*payload*/) {
    if (!request.args.app) {
        return refuse(session, request.id, Code::Malformed, "\"app\" is missing");
    }
    const auto target = local_target(*request.args.app);
    if (!target) {
        return refuse(session, request.id, wire::code_of(target.error()), target.error().message);
    }
    const AppFacts* const app = facts(*target);
    const bool whole = request.verb == Verb::Status && app != nullptr;
    std::string header;
    begin_reply(header, request.id, Code::Ok, whole ? 4 : 3);
    wire::append_text(header, "found");
    wire::append_flag(header, app != nullptr);
    wire::append_text(header, "state");
    if (app != nullptr) {
        wire::append_text(header, kAppStateNames.name(app->state));
    } else {
        wire::append_nil(header);
    }
    wire::append_text(header, "running");
    wire::append_flag(header, app != nullptr && is_active(app->state));
    if (whole) {
        wire::append_text(header, "app");
        append_facts(header, *app);
    }
    answer(session, header);
}

void Broker::on_config(Session& session, const RequestHeader& request, Parts /*payload*/) {
    const AppFacts* const app = facts(*session.box->mail.app());
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "variables");
    if (app != nullptr && !app->config.empty()) {
        header += app->config;
    } else {
        wire::append_map(header, 0);
    }
    answer(session, header);
}

}  // namespace berth::relay
