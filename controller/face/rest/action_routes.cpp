#include <algorithm>

#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/command.h"
#include "controller/service/use_cases.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

using http::Method;

constexpr double kDefaultTimeout = 30;
constexpr double kMaxTimeout = 300;
constexpr std::size_t kMaxBulk = 5000;
constexpr std::size_t kMaxInput = 64U << 10U;

http::Response acted_response(const service::Acted& acted) {
    json::JsonWriter json;
    json.begin_object();
    if (!acted.operation.empty()) {
        return face::json_response(json.field("operation", acted.operation).end_object().take(),
                                   202);
    }
    for (const auto& said : acted.said) {
        json.field("message", said.message).field("note", said.note);
    }
    if (acted.app) {
        json.key("app").raw(acted.app->rendered);
    }
    return face::json_response(json.end_object().take());
}

Result<Duration> timeout_of(const json::JsonValue& body) {
    BERTH_TRY(const auto seconds, body.get_optional<double>("timeout"));
    if (seconds && !(*seconds >= 0 && *seconds <= kMaxTimeout)) {
        return fail(ErrorCode::InvalidArgument, "\"timeout\" is 0 to 300 seconds");
    }
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(seconds.value_or(kDefaultTimeout)));
}

void act(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto timeout = timeout_of(exchange.body());
    const auto if_needed = exchange.body().get_optional<bool>("if_needed");
    if (refuse_any(exchange, app, timeout, if_needed)) {
        return;
    }
    services.use.act.act(caller_of(exchange),
                         {*app,
                          exchange.param("verb"),
                          std::string(exchange.request.header("idempotency-key").value_or("")),
                          *timeout,
                          if_needed->value_or(false)},
                         reply<service::Acted>(exchange, acted_response));
}

// --- many at once

// A member that is a list of texts; nothing when it is not there.
Result<std::vector<std::string>> texts_of(const json::JsonValue& body, const std::string& name) {
    std::vector<std::string> texts;
    const json::JsonValue* const list = body.find(name);
    if (list == nullptr) {
        return texts;
    }
    if (!list->is_array() || list->items().size() > kMaxBulk) {
        return fail(ErrorCode::InvalidArgument, '"' + name + "\" is a list of at most 5000 texts");
    }
    for (const json::JsonValue& item : list->items()) {
        BERTH_TRY(std::string text, item.as<std::string>());
        texts.push_back(std::move(text));
    }
    return texts;
}

Result<service::BulkAction> read_bulk(const json::JsonValue& body) {
    service::BulkAction action;
    BERTH_TRY(action.verb, body.get<std::string>("verb"));
    if (!service::is_act_verb(action.verb)) {
        return fail(ErrorCode::InvalidArgument, "no verb is named \"" + action.verb + "\"");
    }
    BERTH_TRY(const auto if_needed, body.get_optional<bool>("if_needed"));
    action.if_needed = if_needed.value_or(false);
    const bool by_name = body.find("apps") != nullptr;
    if (by_name == (body.find("selector") != nullptr)) {
        return fail(ErrorCode::InvalidArgument,
                    "give \"apps\", a list of AGENT/ID, or \"selector\", a list of words");
    }
    if (by_name) {
        BERTH_TRY(action.apps, texts_of(body, "apps"));
        return action;
    }
    BERTH_TRY(action.selector, texts_of(body, "selector"));
    if (action.selector.size() > service::kMaxWords) {
        return fail(ErrorCode::InvalidArgument, "\"selector\" is a list of at most 100 words");
    }
    BERTH_TRY(const auto confirmed, body.get_optional<bool>("confirm"));
    action.confirmed = confirmed.value_or(false);
    return action;
}

http::Response bulk_response(const service::BulkOutcome& outcome) {
    json::JsonWriter json;
    json.begin_object().key("results").begin_array();
    for (const auto& one : outcome.apps) {
        json.begin_object().field("app", one.app).field("ok", one.error.empty()).key("error");
        if (one.error.empty()) {
            json.null();
        } else {
            json.value(one.error);
        }
        json.end_object();
    }
    return face::json_response(
        json.end_array().field("unmatched", outcome.unmatched).end_object().take());
}

void act_on_many(const Services& services, const Exchange& exchange) {
    const auto action = read_bulk(exchange.body());
    if (!refuse_any(exchange, action)) {
        services.use.bulk.act(
            caller_of(exchange), *action, reply<service::BulkOutcome>(exchange, bulk_response));
    }
}

// --- operations and input

std::string operation_json(const service::Operation& operation) {
    json::JsonWriter json;
    json.begin_object().field("id", operation.id).field("app", operation.app);
    json.field("verb", operation.verb);
    json.field("state", service::kOperationStateNames.name(operation.state)).key("error");
    if (operation.error.empty()) {
        json.null();
    } else {
        json.value(operation.error);
    }
    return json.end_object().take();
}

void get_operation(const Services& services, const Exchange& exchange) {
    const auto operation = services.use.act.operation(caller_of(exchange), exchange.param("id"));
    if (!refuse_any(exchange, operation)) {
        exchange.responder.send(face::json_response(operation_json(*operation)));
    }
}

// How much of the input was taken goes with every answer but that of all: 204.
http::Response input_problem(int status, std::string_view why, std::uint64_t taken) {
    return face::problem(status, why, ",\"taken\":" + std::to_string(taken));
}

http::Response input_response(const service::Answer<service::Taken>& answer) {
    if (!answer.result) {
        const Error& error = answer.result.error();
        return error.code == ErrorCode::WrongState ? input_problem(409, error.message, 0)
                                                   : refusal_of(answer);
    }
    const service::Taken& taken = *answer.result;
    if (taken.bytes >= taken.of) {
        return http::no_content();
    }
    const std::string why = taken.why + "; of " + std::to_string(taken.of) + " bytes " +
                            std::to_string(taken.bytes) + " were taken";
    return input_problem(taken.full ? 429 : 409, why, taken.bytes);
}

void write_stdin(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto data = exchange.body().get<std::string>("data");
    if (refuse_any(exchange, app, data)) {
        return;
    }
    if (data->size() > kMaxInput) {
        return exchange.responder.send(input_problem(413, "at most 64 KiB of input at once", 0));
    }
    services.use.act.write_input(
        caller_of(exchange), *app, *data, [responder = exchange.responder](const auto& answer) {
            responder.send(input_response(answer));
        });
}

}  // namespace

std::vector<Route> action_routes(const Services& services) {
    return {
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/{verb=start|stop|restart|kill|clean|reload}",
         service::kAct,
         Where::Loop,
         [&services](const Exchange& exchange) { act(services, exchange); },
         {"start, stop, restart, kill, clean or reload: waits for the outcome up to timeout "
          "seconds "
          "(30), then 202 with an operation",
          "",
          "Action",
          "ActionResult",
          200}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/stdin",
         service::kWriteInput,
         Where::Loop,
         [&services](const Exchange& exchange) { write_stdin(services, exchange); },
         {"Write to the app's standard input. 429: it does not read, 409: it takes none; the "
          "problem's "
          "\"taken\" says how many bytes were taken all the same",
          "",
          "Input",
          "",
          204}},
        {Method::Post,
         "/api/v1/apps/actions",
         service::kAct,
         Where::Loop,
         [&services](const Exchange& exchange) { act_on_many(services, exchange); },
         {"One verb for many apps, all agents at once, with a result for each",
          "",
          "BulkAction",
          "BulkResult",
          200}},
        {Method::Get,
         "/api/v1/operations/{id}",
         service::kShowOperation,
         Where::Loop,
         [&services](const Exchange& exchange) { get_operation(services, exchange); },
         {"How far a command is", "", "", "Operation", 200}},
    };
}

}  // namespace berth::rest
