#include "controller/face/fleet_json.h"
#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

using http::Method;

void list_users(const Services& services, const Exchange& exchange) {
    const auto users = services.use.users.all(caller_of(exchange));
    if (refuse_any(exchange, users)) {
        return;
    }
    json::JsonWriter json;
    json.begin_object().key("users").begin_array();
    for (const store::UserRow& user : *users) {
        json.begin_object().field("name", user.name);
        json.field("role", access::kRoleNames.name(user.role));
        json.field("created", face::api_time(user.created)).end_object();
    }
    exchange.responder.send(face::json_response(json.end_array().end_object().take()));
}

Result<access::Role> parse_role(const std::string& text) {
    const auto role = access::kRoleNames.value(text);
    if (!role) {
        return fail(ErrorCode::InvalidArgument, "a role is viewer, operator or admin");
    }
    return *role;
}

struct NewUser {
    std::string name;
    std::string password;
    access::Role role = access::Role::Viewer;
};

Result<NewUser> read_new_user(const json::JsonValue& body) {
    NewUser user;
    BERTH_TRY(user.name, body.get<std::string>("name"));
    BERTH_TRY(user.password, body.get<std::string>("password"));
    BERTH_TRY(const std::string role, body.get<std::string>("role"));
    BERTH_TRY(user.role, parse_role(role));
    return user;
}

void add_user(const Services& services, const Exchange& exchange) {
    const auto user = read_new_user(exchange.body());
    if (refuse_any(exchange, user)) {
        return;
    }
    const auto done =
        services.use.users.add(caller_of(exchange), user->name, user->password, user->role);
    if (refuse_any(exchange, done)) {
        return;
    }
    json::JsonWriter json;
    json.begin_object().field("name", user->name);
    json.field("role", access::kRoleNames.name(user->role)).end_object();
    exchange.responder.send(face::json_response(json.take(), 201));
}

Result<service::UserChange> read_change(const json::JsonValue& body) {
    service::UserChange change;
    BERTH_TRY(const auto role, body.get_optional<std::string>("role"));
    BERTH_TRY(change.password, body.get_optional<std::string>("password"));
    if (role) {
        BERTH_TRY(change.role, parse_role(*role));
    }
    if (!change.role && !change.password) {
        return fail(ErrorCode::InvalidArgument, "give \"role\", \"password\" or both");
    }
    return change;
}

void change_user(const Services& services, const Exchange& exchange) {
    const auto change = read_change(exchange.body());
    if (refuse_any(exchange, change)) {
        return;
    }
    const auto done =
        services.use.users.change(caller_of(exchange), exchange.param("name"), *change);
    if (!refuse_any(exchange, done)) {
        exchange.responder.send(http::no_content());
    }
}

void remove_user(const Services& services, const Exchange& exchange) {
    const auto done = services.use.users.remove(caller_of(exchange), exchange.param("name"));
    if (!refuse_any(exchange, done)) {
        exchange.responder.send(http::no_content());
    }
}

void get_audit(const Services& services, const Exchange& exchange) {
    const auto limit = number_parameter(exchange.request, "limit", 200, 1000);
    const auto cursor = number_parameter(exchange.request, "cursor", 0, INT64_MAX);
    if (!limit || !cursor) {
        return exchange.responder.send(face::problem(400, "limit and cursor are whole numbers"));
    }
    const auto rows = services.use.users.audit(caller_of(exchange), *cursor, *limit);
    if (refuse_any(exchange, rows)) {
        return;
    }
    json::JsonWriter json;
    json.begin_object().key("entries").begin_array();
    for (const store::AuditRow& row : *rows) {
        json.begin_object().field("id", row.id).field("time", face::api_time(row.time));
        json.field("actor", row.actor).field("address", row.address).field("verb", row.verb);
        json.field("target", row.target).field("result", row.result).end_object();
    }
    json.end_array().key("next");
    if (rows->size() == *limit && *limit > 0) {
        json.value(std::to_string(rows->back().id));
    } else {
        json.null();
    }
    exchange.responder.send(face::json_response(json.end_object().take()));
}

}  // namespace

std::vector<Route> user_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/users",
         service::kShowUsers,
         Where::Worker,
         [&services](const Exchange& exchange) { list_users(services, exchange); },
         {"All users", "", "", "Users", 200}},
        {Method::Post,
         "/api/v1/users",
         service::kAddUser,
         Where::Worker,
         [&services](const Exchange& exchange) { add_user(services, exchange); },
         {"Add a user", "", "NewUser", "", 201}},
        {Method::Patch,
         "/api/v1/users/{name}",
         service::kChangeUser,
         Where::Worker,
         [&services](const Exchange& exchange) { change_user(services, exchange); },
         {"Change a user's role or password; ends the user's sessions", "", "UserChange", "", 204}},
        {Method::Delete,
         "/api/v1/users/{name}",
         service::kRemoveUser,
         Where::Worker,
         [&services](const Exchange& exchange) { remove_user(services, exchange); },
         {"Remove a user, and end the user's sessions", "", "", "", 204}},
        {Method::Get,
         "/api/v1/audit",
         service::kShowAudit,
         Where::Worker,
         [&services](const Exchange& exchange) { get_audit(services, exchange); },
         {"Who changed what, the newest first", "limit,cursor", "", "Audit", 200}},
    };
}

}  // namespace berth::rest
