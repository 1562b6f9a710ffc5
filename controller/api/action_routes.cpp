#include <algorithm>

#include "controller/api/services.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"

namespace berth::api {

namespace {

using http::Access;
using http::Exchange;
using http::Method;
using http::Where;

constexpr std::array<std::string_view, 6> kVerbs = {
    "start", "stop", "restart", "kill", "clean", "reload"};
constexpr double kDefaultTimeout = 30;
constexpr double kMaxTimeout = 300;
constexpr Duration kAgentTimeout = std::chrono::seconds(300);  // how long an operation is followed
constexpr Duration kGrace = std::chrono::seconds(2);           // for the answer to come
constexpr std::size_t kMaxBulk = 5000;
constexpr std::size_t kMaxInput = 64U << 10U;

bool is_verb(std::string_view verb) {
    return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

struct Command {
    std::string verb;
    std::vector<std::string> ids;
    std::string actor;
    std::string key;        // idempotency key, "" for none
    Duration start_within;  // later the agent must not begin
    Duration timeout;       // how long the agent waits for the outcome
};

wire::Value act_args(const Command& command) {
    const auto deadline = (read_clocks().wall + command.start_within).time_since_epoch().count();
    return wire::Value::Map{
        {"verb", command.verb},
        {"ids", wire::strings(command.ids)},
        {"actor", command.actor},
        {"key", command.key},
        {"wait", true},
        {"deadline_ns", std::int64_t{deadline}},
        {"timeout_ms",
         std::int64_t{
             std::chrono::duration_cast<std::chrono::milliseconds>(command.timeout).count()}}};
}

// What the agent said of one app, as an error; nothing: it went well.
std::optional<Error> outcome_of(const wire::Value& info, const std::string& id) {
    for (const wire::Value& value : info["results"].as_array()) {
        const wire::ActResult result = wire::to_act_result(value);
        if (result.id == id) {
            return result.ok
                       ? std::nullopt
                       : std::optional(Error{wire::error_code_of(result.code), result.message, 0});
        }
    }
    return Error{ErrorCode::NotFound, "no app has the id \"" + id + "\"", 0};
}

http::Response acted_response(const Services& services, const AppAddress& address) {
    const auto app = services.fleet.find_app(address.key());
    json::JsonWriter json;
    json.begin_object();
    if (app) {
        json.key("app").raw(app->json);
    }
    return http::json_response(json.end_object().take());
}

http::Response operation_response(const std::string& operation) {
    json::JsonWriter json;
    return http::json_response(
        json.begin_object().field("operation", operation).end_object().take(), 202);
}

Result<Duration> timeout_of(const http::Request& request) {
    BERTH_TRY(const auto body, json_body(request));
    BERTH_TRY(const auto seconds, body.get_optional<double>("timeout"));
    if (seconds && !(*seconds >= 0 && *seconds <= kMaxTimeout)) {
        return fail(ErrorCode::InvalidArgument, "\"timeout\" is 0 to 300 seconds");
    }
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(seconds.value_or(kDefaultTimeout)));
}

OperationState state_after(const std::optional<Error>& error) {
    return !error                               ? OperationState::Done
           : error->code == ErrorCode::TimedOut ? OperationState::Unknown
                                                : OperationState::Failed;
}

// Runs on the fleet loop: sends the command and answers with what is first, the outcome or the end
// of the time that the client would wait.
void carry_out(const Services& services,
               const Exchange& exchange,
               const AppAddress& address,
               const Command& command,
               Duration client_timeout) {
    const std::string operation = services.operations.begin(address.key(), command.verb);
    const auto waiting = std::make_shared<loop::Registration>();
    *waiting =
        services.fleet_loop.after(client_timeout, [responder = exchange.responder, operation] {
            responder.send(operation_response(operation));
        });
    services.fleet.request(
        address.agent,
        "act",
        act_args(command),
        command.timeout + kGrace,
        [&services, exchange, address, operation, waiting, verb = command.verb](
            const Result<wire::Value>& answer) {
            waiting->reset();
            const auto error = answer ? outcome_of(*answer, address.id)
                                      : std::optional(change_error(answer.error()));
            services.operations.end(operation, state_after(error), error ? error->message : "");
            http::Response response = acted_response(services, address);
            if (error) {
                response = answer ? http::problem_of(*error) : http::problem_of_agent(*error);
            }
            audit_and_send(services,
                           exchange,
                           verb,
                           address.key(),
                           error ? change_failed(*error) : "done",
                           std::move(response));
        });
}

void act(const Services& services, const Exchange& exchange) {
    const std::string& verb = exchange.param("verb");
    if (!is_verb(verb)) {
        return exchange.responder.send(http::problem(404, "there is nothing at this address"));
    }
    const auto address = app_address(exchange);
    const auto timeout = timeout_of(exchange.request);
    if (!address || !timeout) {
        return exchange.responder.send(
            http::problem_of(address ? timeout.error() : address.error()));
    }
    const std::string key(exchange.request.header("idempotency-key").value_or(""));
    if (key.size() > 128) {
        return exchange.responder.send(
            http::problem(400, "an Idempotency-Key has at most 128 characters"));
    }
    // Two users must not get each other's answers, nor one command that of another.
    const std::string own_key =
        key.empty() ? "" : exchange.who->user + ' ' + verb + ' ' + address->id + ' ' + key;
    const Command command{verb,
                          {address->id},
                          exchange.who->actor(),
                          own_key,
                          std::max<Duration>(*timeout, std::chrono::seconds(10)),
                          kAgentTimeout};
    const bool posted = services.fleet_poster->post(
        [&services, exchange, address = *address, command, timeout = *timeout] {
            carry_out(services, exchange, address, command, timeout);
        });
    if (!posted) {
        exchange.responder.send(http::problem(503, "the controller is ending"));
    }
}

// --- many at once
// ----------------------------------------------------------------------------------

struct Bulk {
    explicit Bulk(Exchange exchange_in) : exchange(std::move(exchange_in)) {}

    Exchange exchange;
    std::string verb;
    std::vector<std::string> apps;              // as they were asked for
    std::map<std::string, std::string> errors;  // by app; "" is success
    std::map<std::string, std::vector<std::string>> by_agent;
    std::size_t missing = 0;
};

Result<void> read_bulk(Bulk& bulk) {
    BERTH_TRY(const auto body, json_body(bulk.exchange.request));
    BERTH_TRY(bulk.verb, body.get<std::string>("verb"));
    const json::JsonValue* const apps = body.find("apps");
    if (!is_verb(bulk.verb)) {
        return fail(ErrorCode::InvalidArgument, "no verb is named \"" + bulk.verb + "\"");
    }
    if (apps == nullptr || !apps->is_array() || apps->items().size() > kMaxBulk) {
        return fail(ErrorCode::InvalidArgument, "\"apps\" is a list of at most 5000 AGENT/ID");
    }
    for (const json::JsonValue& item : apps->items()) {
        BERTH_TRY(const std::string app, item.as<std::string>());
        const std::size_t slash = std::min(app.find('/'), app.size());
        const std::string agent = app.substr(0, slash);
        const std::string id = app.substr(std::min(slash + 1, app.size()));
        if (!is_valid_id(agent) || !is_valid_id(id)) {
            return fail(ErrorCode::InvalidArgument, "\"" + app + "\" is no AGENT/ID");
        }
        if (bulk.errors.emplace(app, "").second) {
            bulk.apps.push_back(app);
            bulk.by_agent[agent].push_back(id);
        }
    }
    return {};
}

void finish_bulk(const Services& services, Bulk& bulk) {
    json::JsonWriter json;
    json.begin_object().key("results").begin_array();
    std::size_t failed = 0;
    for (const std::string& app : bulk.apps) {
        const std::string& error = bulk.errors[app];
        json.begin_object().field("app", app).field("ok", error.empty()).key("error");
        if (error.empty()) {
            json.null();
        } else {
            json.value(error);
            ++failed;
        }
        json.end_object();
    }
    std::string target;
    for (const std::string& app : bulk.apps) {
        target += (target.empty() ? "" : " ") + app;
    }
    const std::string result =
        std::to_string(bulk.apps.size() - failed) + " done, " + std::to_string(failed) + " failed";
    audit_and_send(services,
                   bulk.exchange,
                   bulk.verb,
                   target,
                   result,
                   http::json_response(json.end_array().end_object().take()));
}

void bulk_answered(Bulk& bulk,
                   const std::string& agent,
                   const std::vector<std::string>& ids,
                   const Result<wire::Value>& answer) {
    for (const std::string& id : ids) {
        const auto error =
            answer ? outcome_of(*answer, id) : std::optional(change_error(answer.error()));
        if (error) {
            const std::string why = error->message.empty() ? "it failed" : error->message;
            bulk.errors[fleet::app_key(agent, id)] = why;
        }
    }
}

void act_on_many(const Services& services, const Exchange& exchange) {
    const auto bulk = std::make_shared<Bulk>(exchange);
    if (const auto read = read_bulk(*bulk); !read) {
        return exchange.responder.send(http::problem_of(read.error()));
    }
    bulk->missing = bulk->by_agent.size();
    if (bulk->missing == 0) {
        return finish_bulk(services, *bulk);
    }
    constexpr Duration kTimeout = std::chrono::seconds(30);
    for (const auto& [agent, ids] : bulk->by_agent) {
        const Command command{bulk->verb, ids, exchange.who->actor(), "", kTimeout, kTimeout};
        ask(services,
            agent,
            "act",
            act_args(command),
            kTimeout + kGrace,
            [&services, bulk, agent = agent, ids = ids](const Result<wire::Value>& answer) {
                bulk_answered(*bulk, agent, ids, answer);
                if (--bulk->missing == 0) {
                    finish_bulk(services, *bulk);
                }
            });
    }
}

// --- operations and input
// --------------------------------------------------------------------------

void get_operation(const Services& services, const Exchange& exchange) {
    const auto operation = services.operations.find(exchange.param("id"));
    exchange.responder.send(operation
                                ? http::json_response(operation->json())
                                : http::problem(404, "this operation is not known (any more)"));
}

void write_stdin(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const auto body = json_body(exchange.request);
    const auto data = body ? body->get<std::string>("data") : fail(body.error());
    if (!address || !data) {
        return exchange.responder.send(http::problem_of(address ? data.error() : address.error()));
    }
    if (data->size() > kMaxInput) {
        return exchange.responder.send(http::problem(413, "at most 64 KiB of input at once"));
    }
    const wire::Value args = wire::Value::Map{{"id", address->id}, {"data", *data}};
    ask(services,
        address->agent,
        "input",
        args,
        std::chrono::seconds(5),
        [&services, exchange, address = *address, size = data->size()](
            const Result<wire::Value>& answer) {
            const std::string result =
                answer ? std::to_string(size) + " bytes" : change_failed(answer.error());
            audit_and_send(
                services,
                exchange,
                "stdin",
                address.key(),
                result,
                answer ? http::no_content() : http::problem_of_agent(change_error(answer.error())));
        });
}

}  // namespace

std::vector<http::Route> action_routes(const Services& services) {
    return {
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/{verb}",
         Access::Operator,
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
         Access::Operator,
         Where::Loop,
         [&services](const Exchange& exchange) { write_stdin(services, exchange); },
         {"Write to the app's standard input", "", "Input", "", 204}},
        {Method::Post,
         "/api/v1/apps/actions",
         Access::Operator,
         Where::Loop,
         [&services](const Exchange& exchange) { act_on_many(services, exchange); },
         {"One verb for many apps, all agents at once, with a result for each",
          "",
          "BulkAction",
          "BulkResult",
          200}},
        {Method::Get,
         "/api/v1/operations/{id}",
         Access::Viewer,
         Where::Loop,
         [&services](const Exchange& exchange) { get_operation(services, exchange); },
         {"How far a command is", "", "", "Operation", 200}},
    };
}

}  // namespace berth::api
