#include "agent/relay/broker/verbs/verbs.h"
#include "shared/wire/append.h"

// What apps ask about apps, and have done to them.
namespace berth::relay::verbs {

namespace {

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

void list(BrokerParts& broker, Session& session, const RequestHeader& request, Frames /*payload*/) {
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "apps");
    wire::append_array(header, static_cast<std::uint32_t>(broker.apps.all().size()));
    for (const auto& [id, app] : broker.apps.all()) {
        append_facts(header, app);
    }
    broker.replies.answer(session, header);
}

void control(BrokerParts& broker,
             Session& session,
             const RequestHeader& request,
             Frames /*payload*/) {
    if (!request.args.app) {
        return broker.replies.refuse(session, request.id, Code::Malformed, "\"app\" is missing");
    }
    const auto target = broker.apps.local_target(*request.args.app);
    if (!target) {
        return broker.replies.refuse(session, request.id, target.error());
    }
    if (const auto may = broker.apps.check_control(session, *target); !may) {
        return broker.replies.refuse(session, request.id, may.error());
    }
    broker.options.port.control(
        request.verb,
        std::string(*target),
        "app \"" + *session.box->mail.app() + "\"",
        [&broker, number = session.number, id = request.id](const Controlled& outcome) {
            broker.replies.send(number, controlled_header(id, outcome), {});
        });
}

void facts(BrokerParts& broker,
           Session& session,
           const RequestHeader& request,
           Frames /*payload*/) {
    if (!request.args.app) {
        return broker.replies.refuse(session, request.id, Code::Malformed, "\"app\" is missing");
    }
    const auto target = broker.apps.local_target(*request.args.app);
    if (!target) {
        return broker.replies.refuse(session, request.id, target.error());
    }
    const AppFacts* const app = broker.apps.find(*target);
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
    broker.replies.answer(session, header);
}

void config(BrokerParts& broker,
            Session& session,
            const RequestHeader& request,
            Frames /*payload*/) {
    const AppFacts* const app = broker.apps.find(*session.box->mail.app());
    std::string header;
    begin_reply(header, request.id, Code::Ok, 1);
    wire::append_text(header, "variables");
    if (app != nullptr && !app->config.empty()) {
        header += app->config;
    } else {
        wire::append_map(header, 0);
    }
    broker.replies.answer(session, header);
}

}  // namespace berth::relay::verbs
