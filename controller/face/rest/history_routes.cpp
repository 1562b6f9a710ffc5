#include "controller/face/rest/services.h"
#include "shared/base/secrets.h"
#include "shared/json/app_json.h"
#include "shared/json/json_writer.h"
#include "shared/wire/status.h"

namespace berth::rest {

// What has happened to an app, and what would: figures, crashes, obstacles, instances.

namespace {

using access::Right;
using http::Method;

constexpr Duration kDeadline = std::chrono::seconds(5);

using Render = http::Response (*)(const Exchange& exchange, const wire::Value& info);

// Asks the app's agent and answers with what `render` makes of it.
void ask_and_render(const Services& services,
                    const Exchange& exchange,
                    const std::string& verb,
                    wire::Value::Map args,
                    Render render) {
    const auto address = app_address(exchange);
    if (!address) {
        return exchange.responder.send(face::problem_of(address.error()));
    }
    args.emplace_back("id", address->id);
    ask(services,
        address->agent,
        verb,
        std::move(args),
        kDeadline,
        [exchange, render](const Result<wire::Value>& answer) {
            exchange.responder.send(answer ? render(exchange, *answer)
                                           : face::problem_of_agent(answer.error()));
        });
}

std::string time_text(const wire::Value& value) {
    return face::api_time(wire::to_wall_time(value));
}

http::Response metrics_response(const Exchange& /*exchange*/, const wire::Value& info) {
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
    wire::Value::Map args;
    if (const std::string& since = exchange.request.parameter("since"); !since.empty()) {
        const auto time = parse_time(since);
        if (!time) {
            return exchange.responder.send(face::problem_of(time.error()));
        }
        args.emplace_back("since_ns", wire::to_value(*time));
    }
    ask_and_render(services, exchange, "metrics", std::move(args), metrics_response);
}

// A crash's bundle, which is JSON, as who asks may see it.
void write_bundle(json::JsonWriter& json, const Exchange& exchange, const std::string& text) {
    const auto bundle = json::parse_json(text);
    if (!bundle) {
        json.raw("{}");
    } else if (sees_secrets(exchange)) {
        json.raw(text);
    } else {
        json::write_masked(json, *bundle, kMaskedSecret, without_secrets);
    }
}

http::Response crashes_response(const Exchange& exchange, const wire::Value& info) {
    json::JsonWriter json;
    json.begin_object().key("groups").begin_array();
    for (const wire::Value& group : info["groups"].as_array()) {
        json.begin_object();
        json.field("signature", text_for(exchange, group["signature"].as_string()));
        json.field("how", text_for(exchange, group["how"].as_string()))
            .field("count", group["count"].as_uint());
        json.field("first", time_text(group["first"])).field("last", time_text(group["last"]));
        json.field("generation", group["generation"].as_uint()).end_object();
    }
    json.end_array().key("crashes").begin_array();
    for (const wire::Value& crash : info["crashes"].as_array()) {
        json.begin_object().field("generation", crash["generation"].as_uint());
        json.field("time", time_text(crash["time"]));
        json.field("signature", text_for(exchange, crash["signature"].as_string()));
        json.field("how", text_for(exchange, crash["how"].as_string())).key("bundle");
        write_bundle(json, exchange, crash["bundle"].as_string());
        json.end_object();
    }
    return face::json_response(json.end_array().end_object().take());
}

void get_crashes(const Services& services, const Exchange& exchange) {
    const auto limit = number_parameter(exchange.request, "limit", 10, 50);
    if (!limit) {
        return exchange.responder.send(face::problem_of(limit.error()));
    }
    ask_and_render(services, exchange, "crashes", {{"limit", *limit}}, crashes_response);
}

std::vector<std::string> texts_for(const Exchange& exchange, std::vector<std::string> texts) {
    for (std::string& text : texts) {
        text = text_for(exchange, text);
    }
    return texts;
}

http::Response explanation_response(const Exchange& exchange, const wire::Value& info) {
    Explanation why = wire::to_explanation(info);
    why.cause = text_for(exchange, why.cause);
    why.evidence = texts_for(exchange, std::move(why.evidence));
    why.lines = texts_for(exchange, std::move(why.lines));
    json::JsonWriter json;
    json.begin_object();
    json::write_explanation_members(json, why);
    return face::json_response(json.end_object().take());
}

void get_obstacles(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    if (!address) {
        return exchange.responder.send(face::problem_of(address.error()));
    }
    std::string exactly;  // ids have no other character that means something in a pattern
    for (const char c : address->id) {
        exactly += c == '.' ? "\\." : std::string(1, c);
    }
    ask(services,
        address->agent,
        "check",
        wire::Value::Map{{"patterns", wire::strings({exactly})}},
        kDeadline,
        [exchange, id = address->id](const Result<wire::Value>& answer) {
            const http::Responder& responder = exchange.responder;
            if (!answer) {
                return responder.send(face::problem_of_agent(answer.error()));
            }
            if ((*answer)["apps"][id].is_nil()) {
                return responder.send(face::problem(404, "no app has the id \"" + id + '"'));
            }
            json::JsonWriter json;
            json.begin_object().field("obstacles",
                                      texts_for(exchange, (*answer)["apps"][id].as_strings()));
            responder.send(face::json_response(json.end_object().take()));
        });
}

void scale(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const auto count = exchange.body().get<std::uint64_t>("count");
    if (!address || !count) {
        return exchange.responder.send(face::problem_of(address ? count.error() : address.error()));
    }
    const std::string actor = exchange.who ? exchange.who->actor() : std::string();
    ask(services,
        address->agent,
        "scale",
        wire::Value::Map{{"id", address->id}, {"count", *count}, {"actor", actor}},
        kDeadline,
        [&services, exchange, key = address->key(), count = *count](
            const Result<wire::Value>& answer) {
            json::JsonWriter json;
            json.begin_object().field(
                "changed", answer ? (*answer)["changed"].as_strings() : std::vector<std::string>());
            audit_and_send(services,
                           exchange,
                           "scale",
                           key,
                           answer ? "to " + std::to_string(count) : change_failed(answer.error()),
                           answer ? face::json_response(json.end_object().take())
                                  : face::problem_of_agent(change_error(answer.error())));
        });
}

}  // namespace

std::vector<Route> history_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/explain",
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) {
             ask_and_render(services, exchange, "explain", {}, explanation_response);
         },
         {"Why the app is in its state: cause, evidence, who, and what comes next",
          "",
          "",
          "Explanation",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/metrics",
         Right::View,
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
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) { get_crashes(services, exchange); },
         {"Ends that nobody asked for: grouped by likeness, and the last ones in full",
          "limit",
          "",
          "Crashes",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/check",
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) { get_obstacles(services, exchange); },
         {"Everything that would keep the app from starting", "", "", "Obstacles", 200}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/scale",
         Right::Act,
         Where::Loop,
         [&services](const Exchange& exchange) { scale(services, exchange); },
         {"Set the number of instances of an app that declares them", "", "Scale", "Scaled", 200}},
    };
}

}  // namespace berth::rest
