#include "controller/face/fleet_json.h"
#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/base/secrets.h"
#include "shared/json/app_json.h"
#include "shared/json/json_writer.h"
#include "shared/wire/status.h"

namespace berth::rest {

// What has happened to an app, and what would: figures, crashes, obstacles, instances.

namespace {

using http::Method;

std::string time_text(const wire::Value& value) {
    return face::api_time(wire::to_wall_time(value));
}

http::Response metrics_response(const wire::Value& info) {
    json::JsonWriter json;
    json.begin_object().key("time").begin_array();
    for (const wire::Value& time : info["time"].as_array()) {
        json.value(time_text(time));
    }
    json.end_array();
    for (const char* name :
         {"cpu_percent", "read_rate", "write_rate", "messages_in", "messages_out"}) {
        json.key(name).begin_array();
        for (const wire::Value& value : info[name].as_array()) {
            json.value(value.as_double());
        }
        json.end_array();
    }
    for (const char* name :
         {"rss_bytes", "pss_bytes", "processes", "threads", "descriptors", "messages"}) {
        json.key(name).begin_array();
        for (const wire::Value& value : info[name].as_array()) {
            json.value(value.as_uint());
        }
        json.end_array();
    }
    return face::json_response(json.end_object().take());
}

void get_metrics(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    std::optional<WallTime> since;
    if (const std::string& text = exchange.request.parameter("since"); !text.empty()) {
        const auto time = parse_time(text);
        if (refuse_any(exchange, time)) {
            return;
        }
        since = *time;
    }
    if (!refuse_any(exchange, app)) {
        services.use.history.metrics(
            caller_of(exchange), *app, since, reply<wire::Value>(exchange, metrics_response));
    }
}

// A crash's bundle, which is JSON, as who asks may see it.
void write_bundle(json::JsonWriter& json, const Sight& sight, const std::string& text) {
    const auto bundle = json::parse_json(text);
    if (!bundle) {
        json.raw("{}");
    } else if (sight.secrets()) {
        json.raw(text);
    } else {
        json::write_masked(json, *bundle, kMaskedSecret, without_secrets);
    }
}

http::Response crashes_response(const Sight& sight, const wire::Value& info) {
    json::JsonWriter json;
    json.begin_object().key("groups").begin_array();
    for (const wire::Value& group : info["groups"].as_array()) {
        json.begin_object();
        json.field("signature", sight.text(group["signature"].as_string()));
        json.field("how", sight.text(group["how"].as_string()))
            .field("count", group["count"].as_uint());
        json.field("first", time_text(group["first"])).field("last", time_text(group["last"]));
        json.field("generation", group["generation"].as_uint()).end_object();
    }
    json.end_array().key("crashes").begin_array();
    for (const wire::Value& crash : info["crashes"].as_array()) {
        json.begin_object().field("generation", crash["generation"].as_uint());
        json.field("time", time_text(crash["time"]));
        json.field("signature", sight.text(crash["signature"].as_string()));
        json.field("how", sight.text(crash["how"].as_string())).key("bundle");
        write_bundle(json, sight, crash["bundle"].as_string());
        json.end_object();
    }
    return face::json_response(json.end_array().end_object().take());
}

void get_crashes(const Services& services, const Exchange& exchange) {
    const auto limit = number_parameter(exchange.request, "limit", 10, 50);
    const auto app = app_address(exchange);
    if (!refuse_any(exchange, limit, app)) {
        services.use.history.crashes(
            caller_of(exchange),
            *app,
            *limit,
            reply<wire::Value>(exchange, [sight = Sight(exchange)](const wire::Value& info) {
                return crashes_response(sight, info);
            }));
    }
}

http::Response explanation_response(const Sight& sight, Explanation why) {
    why.cause = sight.text(why.cause);
    why.evidence = sight.texts(std::move(why.evidence));
    why.lines = sight.texts(std::move(why.lines));
    json::JsonWriter json;
    json.begin_object();
    json::write_explanation_members(json, why);
    return face::json_response(json.end_object().take());
}

void explain(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    if (!refuse_any(exchange, app)) {
        services.use.history.explain(
            caller_of(exchange),
            *app,
            reply<Explanation>(exchange, [sight = Sight(exchange)](const Explanation& why) {
                return explanation_response(sight, why);
            }));
    }
}

http::Response texts_response(const char* name, const std::vector<std::string>& texts) {
    json::JsonWriter json;
    return face::json_response(json.begin_object().field(name, texts).end_object().take());
}

void get_obstacles(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    if (!refuse_any(exchange, app)) {
        services.use.history.obstacles(
            caller_of(exchange),
            *app,
            reply<std::vector<std::string>>(
                exchange, [sight = Sight(exchange)](const std::vector<std::string>& obstacles) {
                    return texts_response("obstacles", sight.texts(obstacles));
                }));
    }
}

void scale(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto count = exchange.body().get<std::uint64_t>("count");
    if (!refuse_any(exchange, app, count)) {
        services.use.act.scale(
            caller_of(exchange),
            *app,
            *count,
            reply<std::vector<std::string>>(exchange, [](const std::vector<std::string>& changed) {
                return texts_response("changed", changed);
            }));
    }
}

}  // namespace

std::vector<Route> history_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/explain",
         service::kShowHistory,
         Where::Loop,
         [&services](const Exchange& exchange) { explain(services, exchange); },
         {"Why the app is in its state: cause, evidence, who, and what comes next",
          "",
          "",
          "Explanation",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/metrics",
         service::kShowHistory,
         Where::Loop,
         [&services](const Exchange& exchange) { get_metrics(services, exchange); },
         {"CPU, memory, threads, descriptors, storage and messages over time, a list each: every 5 "
          "s for the "
          "last hour, every 5 minutes for a week",
          "since",
          "",
          "Metrics",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/crashes",
         service::kShowHistory,
         Where::Loop,
         [&services](const Exchange& exchange) { get_crashes(services, exchange); },
         {"Ends that nobody asked for: grouped by likeness, and the last ones in full",
          "limit",
          "",
          "Crashes",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/check",
         service::kShowHistory,
         Where::Loop,
         [&services](const Exchange& exchange) { get_obstacles(services, exchange); },
         {"Everything that would keep the app from starting", "", "", "Obstacles", 200}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/scale",
         service::kScale,
         Where::Loop,
         [&services](const Exchange& exchange) { scale(services, exchange); },
         {"Set the number of instances of an app that declares them", "", "Scale", "Scaled", 200}},
    };
}

}  // namespace berth::rest
