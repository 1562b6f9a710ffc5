#include <algorithm>

#include "controller/face/fleet_json.h"
#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/base/text.h"
#include "shared/json/app_json.h"
#include "shared/json/json_writer.h"
#include "shared/wire/status.h"

namespace berth::rest {

namespace {

using http::Method;

bool mentions(const fleet::AppView& app, const std::string& words) {
    const AppStatus& s = app.status;
    return words.empty() ||
           to_lower(app.key + '\n' + s.name + '\n' + s.comment + '\n' + s.command).find(words) !=
               std::string::npos;
}

bool is_wanted(const fleet::AppView& app, const http::Request& request, const std::string& words) {
    const AppStatus& s = app.status;
    const std::string& agent = request.parameter("agent");
    const std::string& state = request.parameter("state");
    const std::string& tag = request.parameter("tag");
    return (agent.empty() || agent == s.agent) &&
           (state.empty() || state == kAppStateNames.name(s.state)) &&
           (tag.empty() || std::find(s.tags.begin(), s.tags.end(), tag) != s.tags.end()) &&
           mentions(app, words);
}

void list_apps(const Services& services, const Exchange& exchange) {
    const http::Request& request = exchange.request;
    const auto limit = number_parameter(request, "limit", 1000, 5000);
    const std::string& state = request.parameter("state");
    if (!limit || *limit == 0 || (!state.empty() && !kAppStateNames.value(state))) {
        return exchange.responder.send(
            face::problem(400, limit ? "no app can be in this state" : limit.error().message));
    }
    const auto allowed = services.use.view(caller_of(exchange));
    if (refuse_any(exchange, allowed)) {
        return;
    }
    const fleet::FleetViewPtr& view = *allowed;
    const std::string words = to_lower(request.parameter("q"));
    json::JsonWriter json;
    json.begin_object().key("apps").begin_array();
    std::size_t count = 0;
    std::string last;
    bool more = false;
    for (auto app = view->apps.upper_bound(request.parameter("cursor")); app != view->apps.end();
         ++app) {
        if (!is_wanted(*app->second, request, words)) {
            continue;
        }
        if (count == *limit) {
            more = true;
            break;
        }
        ++count;
        last = app->first;
        json.raw(app->second->rendered);
    }
    json.end_array().key("next");
    if (more) {
        json.value(last);
    } else {
        json.null();
    }
    exchange.responder.send(face::json_response(json.end_object().take()));
}

void write_history(json::JsonWriter& json, const Sight& sight, const wire::Value& events) {
    json.key("history").begin_array();
    for (const wire::Value& event : events.as_array()) {
        json.begin_object();
        json.field("time", face::api_time(wire::to_wall_time(event["time"])));
        json.field("state", event["state"].as_string());
        json.field("reason", sight.text(event["text"].as_string()));
        json.end_object();
    }
    json.end_array();
}

void write_runs(json::JsonWriter& json, const Sight& sight, const wire::Value& runs) {
    json.key("runs").begin_array();
    for (const wire::Value& run : runs.as_array()) {
        json.begin_object().field("generation", run["generation"].as_uint());
        json.field("started", face::api_time(wire::to_wall_time(run["started"])));
        json.field("ended", face::api_time(wire::to_wall_time(run["ended"])));
        json.key("exit_code");
        if (run["exit_code"].is_nil()) {
            json.null();
        } else {
            json.value(run["exit_code"].as_int());
        }
        json.field("how", sight.text(run["how"].as_string())).end_object();
    }
    json.end_array();
}

http::Response details_response(const Sight& sight,
                                const std::string& agent,
                                const wire::Value& info) {
    auto status = wire::to_app_status(info["app"]);
    if (!status) {
        return face::problem(502, "the agent's answer is not understood");
    }
    status->agent = agent;
    json::JsonWriter json;
    json.begin_object();
    face::write_app(json,
                    sight.secrets() ? *status : json::without_secrets(*status),
                    /*stale=*/false);
    // The text is embedded as it is, so it must be JSON.
    const std::string& spec = info["spec"].as_string();
    json.key("spec").raw(json::parse_json(spec) ? spec : "{}");
    write_history(json, sight, info["history"]);
    write_runs(json, sight, info["runs"]);
    return face::json_response(json.end_object().take());
}

void get_app(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    if (!refuse_any(exchange, app)) {
        services.use.history.details(
            caller_of(exchange),
            *app,
            reply<wire::Value>(
                exchange, [sight = Sight(exchange), agent = app->agent](const wire::Value& info) {
                    return details_response(sight, agent, info);
                }));
    }
}

}  // namespace

std::vector<Route> app_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/apps",
         service::kShowFleet,
         Where::Loop,
         [&services](const Exchange& exchange) { list_apps(services, exchange); },
         {"All apps of all agents, from memory",
          "agent,state=stopped|waiting|starting|running|stopping|backoff|exited|failed,tag,q,limit,"
          "cursor",
          "",
          "Apps",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}",
         service::kShowApp,
         Where::Loop,
         [&services](const Exchange& exchange) { get_app(services, exchange); },
         {"One app with its descriptor and its history. What looks like a secret is masked for "
          "all but admins",
          "",
          "",
          "AppDetails",
          200}},
    };
}

}  // namespace berth::rest
