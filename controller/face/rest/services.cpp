#include "controller/face/rest/services.h"

#include <time.h>

#include <charconv>

#include "controller/face/rest/openapi.h"
#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/log/log.h"

namespace berth::rest {

namespace {

store::AuditRow audit_row(const Exchange& exchange,
                          const std::string& verb,
                          const std::string& target,
                          const std::string& result) {
    store::AuditRow row;
    row.time = read_clocks().wall;
    row.actor = exchange.who ? exchange.who->user : "-";
    row.address = exchange.request.address;
    row.verb = verb;
    row.target = target;
    row.result = result;
    return row;
}

void write_audit(const Services& services, const store::AuditRow& row) {
    if (const auto done = services.store.add_audit(row); !done) {
        log::error("the audit log was not written",
                   {{"error", done.error().message}, {"actor", row.actor}, {"verb", row.verb}});
    }
}

}  // namespace

Result<AppAddress> app_address(const Exchange& exchange) {
    AppAddress address{exchange.param("agent"), exchange.param("id")};
    if (!is_valid_id(address.agent) || !is_valid_id(address.id)) {
        return fail(ErrorCode::InvalidArgument, "an id is " + std::string(kIdRule));
    }
    return address;
}

Result<std::uint64_t> number_parameter(const http::Request& request,
                                       const std::string& name,
                                       std::uint64_t fallback,
                                       std::uint64_t most) {
    const std::string& text = request.parameter(name);
    if (text.empty()) {
        return fallback;
    }
    const auto number = parse_integer<std::uint64_t>(text);
    if (!number) {
        return fail(ErrorCode::InvalidArgument, "\"" + name + "\" must be a whole number");
    }
    return std::min(*number, most);
}

Result<WallTime> parse_time(std::string_view text) {
    if (const auto time = parse_rfc3339_utc(text)) {
        return *time;
    }
    return fail(ErrorCode::InvalidArgument,
                "\"" + std::string(text) + "\" is no time such as 2026-11-22T10:00:00Z");
}

bool sees_secrets(const Exchange& exchange) {
    return exchange.who && exchange.who->role == access::Role::Admin;
}

std::string text_for(const Exchange& exchange, std::string_view text) {
    return sees_secrets(exchange) ? std::string(text) : without_secrets(text);
}

Error change_error(const Error& error) {
    constexpr const char* kUnsure = "; whether it does what was asked is not known";
    return error.code == ErrorCode::TimedOut ? Error{error.code, error.message + kUnsure, 0}
                                             : error;
}

std::string change_failed(const Error& error) {
    return (error.code == ErrorCode::TimedOut ? "unknown: " : "failed: ") + error.message;
}

void ask(const Services& services,
         const std::string& agent,
         const std::string& verb,
         wire::Value args,
         Duration deadline,
         fleet::AgentLink::Answer answer) {
    auto& fleet = services.fleet;
    (void)services.fleet_poster->post(
        [&fleet, agent, verb, deadline, args = std::move(args), answer = std::move(answer)] {
            fleet.request(agent, verb, args, deadline, answer);
        });
}

void audit(const Services& services,
           const Exchange& exchange,
           const std::string& verb,
           const std::string& target,
           const std::string& result) {
    write_audit(services, audit_row(exchange, verb, target, result));
}

void audit_and_send(const Services& services,
                    const Exchange& exchange,
                    const std::string& verb,
                    const std::string& target,
                    const std::string& result,
                    http::Response response) {
    auto row = audit_row(exchange, verb, target, result);
    auto shared = std::make_shared<http::Response>(std::move(response));
    const auto job = [&services, row, shared, responder = exchange.responder] {
        write_audit(services, row);
        responder.send(std::move(*shared));
    };
    if (!services.workers.post(loop::WorkerPool::Lane::Short, job)) {
        log::error("the audit log was not written: too much waits",
                   {{"actor", row.actor}, {"verb", row.verb}, {"target", row.target}});
        exchange.responder.send(std::move(*shared));
    }
}

std::vector<Route> all_routes(const Services& services) {
    std::vector<Route> routes;
    for (auto* const make : {&session_routes,
                             &agent_routes,
                             &app_routes,
                             &action_routes,
                             &history_routes,
                             &log_routes,
                             &mail_routes,
                             &user_routes,
                             &panel_routes}) {
        for (Route& route : make(services)) {
            routes.push_back(std::move(route));
        }
    }
    // The document describes itself too, so its route is there before its text.
    routes.push_back({http::Method::Get,
                      "/api/v1/openapi.json",
                      access::Right::Public,
                      Where::Loop,
                      {},
                      {"This description, in OpenAPI 3.1", "", "", "", 200}});
    const auto text = std::make_shared<const std::string>(
        openapi_document(routes, services.cookies.plain_name(access::kSessionCookie)));
    routes.back().handler = [text](const Exchange& exchange) {
        http::Response response;
        response.body = http::Body::shared(text);
        response.with("Content-Type", "application/json");
        exchange.responder.send(std::move(response));
    };
    return routes;
}

}  // namespace berth::rest
