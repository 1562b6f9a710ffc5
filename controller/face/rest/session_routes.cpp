#include "controller/face/rest/services.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"
#include "shared/log/log.h"

namespace berth::rest {

namespace {

using access::Right;
using http::Method;

constexpr Duration kKnownFor = std::chrono::hours(400 * 24);  // browsers keep none for longer

std::string session_json(const access::Identity& identity) {
    json::JsonWriter json;
    json.begin_object().key("user").begin_object();
    json.field("name", identity.user).field("role", access::kRoleNames.name(identity.role));
    json.end_object().field("csrf", identity.csrf).field("version", BERTH_VERSION);
    return json.end_object().take();
}

void get_session(const Services& services, const Exchange& exchange) {
    if (exchange.who) {
        return exchange.responder.send(face::json_response(session_json(*exchange.who)));
    }
    const bool setup = services.auth.setup_required();
    exchange.responder.send(face::problem(
        401, "log in first", setup ? ",\"setup_required\":true" : ",\"setup_required\":false"));
}

http::Response opened_response(const Services& services,
                               const Exchange& exchange,
                               const access::Opened& opened) {
    const access::Cookies& cookies = services.cookies;
    http::Response response = face::json_response(session_json(opened.identity));
    response.with("Set-Cookie",
                  cookies.set(exchange.request, access::kKnownCookie, opened.devices, kKnownFor));
    // The last one, for programs that look at one only.
    response.with("Set-Cookie",
                  cookies.set(exchange.request, access::kSessionCookie, opened.token));
    return response;
}

http::Response refused_response(const Error& error, Duration retry_after) {
    http::Response response = face::problem_of(error);
    if (retry_after > Duration::zero()) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after).count();
        response.with("Retry-After", std::to_string(seconds));
    }
    return response;
}

void open_session(const Services& services, Exchange exchange, bool is_setup) {
    const json::JsonValue& body = exchange.body();
    const auto user = body.get<std::string>("username");
    const auto password = body.get<std::string>("password");
    const auto token = is_setup ? body.get<std::string>("token") : Result<std::string>("");
    for (const auto* const value : {&user, &password, &token}) {
        if (!*value) {
            return exchange.responder.send(face::problem_of(value->error()));
        }
    }
    const access::Auth::Credentials credentials{
        *user,
        *password,
        exchange.request.address,
        std::string(services.cookies.read(exchange.request, access::kKnownCookie)),
        exchange.who};
    Duration retry_after = Duration::zero();
    const auto opened = is_setup ? services.auth.set_up(*token, credentials, retry_after)
                                 : services.auth.log_in(credentials, retry_after);
    const std::string verb = is_setup ? "set up" : "log in";
    // What was typed as a name may be a password: only real names are written down.
    const std::string target = is_valid_id(*user) ? *user : "-";
    // Of tries that are turned away unseen nothing is known, and there may be any number of them.
    if (opened) {
        audit(services, exchange, verb, target, "done");
    } else if (opened.error().code != ErrorCode::Exhausted) {
        if (const auto others = services.refusals.admit(read_clocks().mono)) {
            audit(services,
                  exchange,
                  verb,
                  target,
                  "refused: " + opened.error().message +
                      (*others > 0 ? "; " + std::to_string(*others) + " more were refused before"
                                   : ""));
        }
    } else {
        log::warning("log-ins are slowed down after failures", {{"address", credentials.address}});
    }
    if (!opened) {
        return exchange.responder.send(refused_response(opened.error(), retry_after));
    }
    if (is_setup) {
        services.set_up();
    }
    // Who logs in anew ends the session there was, so none can be fixed beforehand.
    if (exchange.who) {
        services.auth.log_out(exchange.who->session);
    }
    exchange.responder.send(opened_response(services, exchange, *opened));
}

void delete_session(const Services& services, const Exchange& exchange) {
    services.auth.log_out(exchange.who->session);
    audit(services, exchange, "log out", exchange.who->user, "done");
    http::Response response = http::no_content();
    response.with("Set-Cookie", services.cookies.forget(exchange.request, access::kSessionCookie));
    exchange.responder.send(std::move(response));
}

void change_password(const Services& services, const Exchange& exchange) {
    const auto present = exchange.body().get<std::string>("present");
    const auto password = exchange.body().get<std::string>("password");
    for (const auto* const value : {&present, &password}) {
        if (!*value) {
            return exchange.responder.send(face::problem_of(value->error()));
        }
    }
    Duration retry_after = Duration::zero();
    const auto done =
        services.auth.change_own_password(*exchange.who, *present, *password, retry_after);
    if (done || done.error().code != ErrorCode::Exhausted) {
        audit(services,
              exchange,
              "change own password",
              exchange.who->user,
              done ? "done" : "refused: " + done.error().message);
    }
    exchange.responder.send(done ? http::no_content()
                                 : refused_response(done.error(), retry_after));
}

}  // namespace

std::vector<Route> session_routes(const Services& services) {
    constexpr std::string_view kSession = "/api/v1/session";
    return {
        {Method::Get,
         kSession,
         Right::Public,
         Where::Loop,
         [&services](const Exchange& exchange) { get_session(services, exchange); },
         {"Who am I; 401 tells whether a first user has to be made", "", "", "Session", 200}},
        {Method::Post,
         kSession,
         Right::Public,
         Where::Worker,
         [&services](Exchange exchange) { open_session(services, std::move(exchange), false); },
         {"Log in", "", "Login", "Session", 200}},
        {Method::Delete,
         kSession,
         Right::View,
         Where::Worker,
         [&services](const Exchange& exchange) { delete_session(services, exchange); },
         {"Log out", "", "", "", 204}},
        {Method::Post,
         "/api/v1/session/password",
         Right::View,
         Where::Worker,
         [&services](const Exchange& exchange) { change_password(services, exchange); },
         {"Change the own password; the user's other sessions end", "", "PasswordChange", "", 204}},
        {Method::Post,
         "/api/v1/setup",
         Right::Public,
         Where::Worker,
         [&services](Exchange exchange) { open_session(services, std::move(exchange), true); },
         {"Make the first admin with the one-time token, and log in", "", "Setup", "Session", 200}},
    };
}

}  // namespace berth::rest
