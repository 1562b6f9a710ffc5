#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

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
    const bool setup = services.use.sessions.setup_required();
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

enum class Door : std::uint8_t { LogIn, SetUp };

void open_session(const Services& services, const Exchange& exchange, Door door) {
    const json::JsonValue& body = exchange.body();
    const auto user = body.get<std::string>("username");
    const auto password = body.get<std::string>("password");
    const auto token =
        door == Door::SetUp ? body.get<std::string>("token") : Result<std::string>("");
    if (refuse_any(exchange, user, password, token)) {
        return;
    }
    const service::Caller caller = caller_of(exchange);
    const service::Proof proof{
        *user,
        *password,
        std::string(services.cookies.read(exchange.request, access::kKnownCookie))};
    Duration retry_after = Duration::zero();
    const auto opened = door == Door::SetUp
                            ? services.use.sessions.set_up(caller, *token, proof, retry_after)
                            : services.use.sessions.log_in(caller, proof, retry_after);
    exchange.responder.send(opened ? opened_response(services, exchange, *opened)
                                   : refused_response(opened.error(), retry_after));
}

void delete_session(const Services& services, const Exchange& exchange) {
    const auto done = services.use.sessions.log_out(caller_of(exchange));
    if (refuse_any(exchange, done)) {
        return;
    }
    http::Response response = http::no_content();
    response.with("Set-Cookie", services.cookies.forget(exchange.request, access::kSessionCookie));
    exchange.responder.send(std::move(response));
}

void change_password(const Services& services, const Exchange& exchange) {
    const auto present = exchange.body().get<std::string>("present");
    const auto password = exchange.body().get<std::string>("password");
    if (refuse_any(exchange, present, password)) {
        return;
    }
    Duration retry_after = Duration::zero();
    const auto done = services.use.sessions.change_own_password(
        caller_of(exchange), *present, *password, retry_after);
    exchange.responder.send(done ? http::no_content()
                                 : refused_response(done.error(), retry_after));
}

}  // namespace

std::vector<Route> session_routes(const Services& services) {
    constexpr std::string_view kSession = "/api/v1/session";
    return {
        {Method::Get,
         kSession,
         service::kShowPublic,
         Where::Loop,
         [&services](const Exchange& exchange) { get_session(services, exchange); },
         {"Who am I; 401 tells whether a first user has to be made", "", "", "Session", 200}},
        {Method::Post,
         kSession,
         service::kLogIn,
         Where::Worker,
         [&services](const Exchange& exchange) { open_session(services, exchange, Door::LogIn); },
         {"Log in", "", "Login", "Session", 200}},
        {Method::Delete,
         kSession,
         service::kLogOut,
         Where::Worker,
         [&services](const Exchange& exchange) { delete_session(services, exchange); },
         {"Log out", "", "", "", 204}},
        {Method::Post,
         "/api/v1/session/password",
         service::kChangeOwnPassword,
         Where::Worker,
         [&services](const Exchange& exchange) { change_password(services, exchange); },
         {"Change the own password; the user's other sessions end", "", "PasswordChange", "", 204}},
        {Method::Post,
         "/api/v1/setup",
         service::kSetUp,
         Where::Worker,
         [&services](const Exchange& exchange) { open_session(services, exchange, Door::SetUp); },
         {"Make the first admin with the one-time token, and log in", "", "Setup", "Session", 200}},
    };
}

}  // namespace berth::rest
