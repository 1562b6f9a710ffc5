#include <algorithm>

#include "controller/face/rest/selector.h"
#include "controller/face/rest/services.h"
#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

using access::Right;
using http::Method;

constexpr std::array<std::string_view, 6> kVerbs = {
    "start", "stop", "restart", "kill", "clean", "reload"};
constexpr double kDefaultTimeout = 30;
constexpr double kMaxTimeout = 300;
constexpr Duration kAgentTimeout = std::chrono::seconds(300);  // how long an operation is followed
constexpr Duration kGrace = std::chrono::seconds(2);           // for the answer to come
constexpr std::size_t kMaxBulk = 5000;
constexpr std::size_t kMaxWords = 100;  // of a selector: each may be an expression
constexpr std::size_t kMaxInput = 64U << 10U;

bool is_verb(std::string_view verb) {
    return std::find(kVerbs.begin(), kVerbs.end(), verb) != kVerbs.end();
}

struct Command {
    std::string verb;
    std::vector<std::string> ids;
    std::string actor;
    std::string key;         // idempotency key, "" for none
    Duration start_within;   // later the agent must not begin
    Duration timeout;        // how long the agent waits for the outcome
    bool if_needed = false;  // what is so already is no failure
};

wire::Value act_args(const Command& command) {
    const auto deadline = (read_clocks().wall + command.start_within).time_since_epoch().count();
    return wire::Value::Map{
        {"verb", command.verb},
        {"ids", wire::strings(command.ids)},
        {"actor", command.actor},
        {"key", command.key},
        {"wait", true},
        {"if_needed", command.if_needed},
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
                       : std::optional(Error{
                             wire::error_code_of(result.code), without_secrets(result.message), 0});
        }
    }
    return Error{ErrorCode::NotFound, "no app has the id \"" + id + "\"", 0};
}

// With what the agent has to say of it: what a reload changed, how a short run ended.
http::Response acted_response(const Services& services,
                              const AppAddress& address,
                              const wire::Value& info) {
    const auto app = services.fleet.find_app(address.key());
    json::JsonWriter json;
    json.begin_object();
    for (const wire::Value& value : info["results"].as_array()) {
        const wire::ActResult result = wire::to_act_result(value);
        if (result.id == address.id) {
            json.field("message", without_secrets(result.message));
            json.field("note", without_secrets(result.note));
        }
    }
    if (app) {
        json.key("app").raw(app->rendered);
    }
    return face::json_response(json.end_object().take());
}

http::Response operation_response(const std::string& operation) {
    json::JsonWriter json;
    return face::json_response(
        json.begin_object().field("operation", operation).end_object().take(), 202);
}

Result<Duration> timeout_of(const json::JsonValue& body) {
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
            http::Response response =
                acted_response(services, address, answer ? *answer : wire::Value());
            if (error) {
                response = answer ? face::problem_of(*error) : face::problem_of_agent(*error);
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
    const auto address = app_address(exchange);
    const auto timeout = timeout_of(exchange.body());
    const auto if_needed = exchange.body().get_optional<bool>("if_needed");
    if (!address || !timeout || !if_needed) {
        return exchange.responder.send(face::problem_of(
            !address ? address.error() : (!timeout ? timeout.error() : if_needed.error())));
    }
    const std::string key(exchange.request.header("idempotency-key").value_or(""));
    if (key.size() > 128) {
        return exchange.responder.send(
            face::problem(400, "an Idempotency-Key has at most 128 characters"));
    }
    // Two users must not get each other's answers, nor one command that of another.
    const std::string own_key =
        key.empty() ? "" : exchange.who->user + ' ' + verb + ' ' + address->id + ' ' + key;
    const Command command{verb,
                          {address->id},
                          exchange.who->actor(),
                          own_key,
                          std::max<Duration>(*timeout, std::chrono::seconds(10)),
                          kAgentTimeout,
                          if_needed->value_or(false)};
    const bool posted = services.fleet_poster->post(
        [&services, exchange, address = *address, command, timeout = *timeout] {
            carry_out(services, exchange, address, command, timeout);
        });
    if (!posted) {
        exchange.responder.send(face::problem(503, "the controller is ending"));
    }
}

// --- many at once

struct Bulk {
    explicit Bulk(Exchange exchange_in) : exchange(std::move(exchange_in)) {}

    Exchange exchange;
    std::string verb;
    bool if_needed = false;
    std::vector<std::string> apps;  // as they were asked for, each once
    std::vector<std::string> unmatched;
    std::map<std::string, std::string> errors;  // by app; "" is success
    std::map<std::string, std::vector<std::string>> by_agent;
    std::size_t missing = 0;

    void add(const std::string& app) {
        const std::size_t slash = app.find('/');
        if (errors.emplace(app, "").second) {
            apps.push_back(app);
            by_agent[app.substr(0, slash)].push_back(app.substr(slash + 1));
        }
    }
};

bool is_app_key(const std::string& app) {
    const std::size_t slash = app.find('/');
    return slash != std::string::npos && is_valid_id(app.substr(0, slash)) &&
           is_valid_id(app.substr(slash + 1));
}

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

// The apps of "apps", which are named one by one, or of "selector", whose words may be expressions.
Result<void> read_targets(const Services& services, const json::JsonValue& body, Bulk& bulk) {
    const bool by_name = body.find("apps") != nullptr;
    if (by_name == (body.find("selector") != nullptr)) {
        return fail(ErrorCode::InvalidArgument,
                    "give \"apps\", a list of AGENT/ID, or \"selector\", a list of words");
    }
    BERTH_TRY(const auto apps, texts_of(body, "apps"));
    for (const std::string& app : apps) {
        if (!is_app_key(app)) {
            return fail(ErrorCode::InvalidArgument, "\"" + app + "\" is no AGENT/ID");
        }
        bulk.add(app);
    }
    if (by_name) {
        return {};
    }
    BERTH_TRY(const auto words, texts_of(body, "selector"));
    if (words.size() > kMaxWords) {
        return fail(ErrorCode::InvalidArgument, "\"selector\" is a list of at most 100 words");
    }
    BERTH_TRY(const auto confirmed, body.get_optional<bool>("confirm"));
    BERTH_TRY(auto selected, select_apps(*services.fleet.view(), words));
    if (bulk.verb == "clean" && selected.by_expression > 0 && selected.apps.size() > 1 &&
        !confirmed.value_or(false)) {
        std::string named;
        for (const std::string& app : selected.apps) {
            named += (named.empty() ? "" : ", ") + app;
        }
        return fail(ErrorCode::WrongState,
                    "this forgets " + std::to_string(selected.apps.size()) +
                        " apps with their logs: " + shortened(named, 2000) +
                        "; say \"confirm\": true, or name them in \"apps\"");
    }
    for (const std::string& app : selected.apps) {
        bulk.add(app);
    }
    bulk.unmatched = std::move(selected.unmatched);
    return {};
}

Result<void> read_bulk(const Services& services, Bulk& bulk) {
    const json::JsonValue& body = bulk.exchange.body();
    BERTH_TRY(bulk.verb, body.get<std::string>("verb"));
    if (!is_verb(bulk.verb)) {
        return fail(ErrorCode::InvalidArgument, "no verb is named \"" + bulk.verb + "\"");
    }
    BERTH_TRY(const auto if_needed, body.get_optional<bool>("if_needed"));
    bulk.if_needed = if_needed.value_or(false);
    return read_targets(services, body, bulk);
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
                   face::json_response(
                       json.end_array().field("unmatched", bulk.unmatched).end_object().take()));
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
    if (const auto read = read_bulk(services, *bulk); !read) {
        return exchange.responder.send(face::problem_of(read.error()));
    }
    bulk->missing = bulk->by_agent.size();
    if (bulk->missing == 0) {
        return finish_bulk(services, *bulk);
    }
    constexpr Duration kTimeout = std::chrono::seconds(30);
    for (const auto& [agent, ids] : bulk->by_agent) {
        const Command command{
            bulk->verb, ids, exchange.who->actor(), "", kTimeout, kTimeout, bulk->if_needed};
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

void get_operation(const Services& services, const Exchange& exchange) {
    const auto operation = services.operations.find(exchange.param("id"));
    exchange.responder.send(operation
                                ? face::json_response(operation->json())
                                : face::problem(404, "this operation is not known (any more)"));
}

// How much of the input was taken goes with every answer but that of all: 204.
http::Response input_problem(int status, std::string_view why, std::uint64_t taken) {
    return face::problem(status, why, ",\"taken\":" + std::to_string(taken));
}

http::Response input_response(const Result<wire::Value>& answer, std::size_t size) {
    if (!answer) {
        const auto code = answer.error().code;
        return code == ErrorCode::WrongState ? input_problem(409, answer.error().message, 0)
                                             : face::problem_of_agent(change_error(answer.error()));
    }
    const std::uint64_t taken = (*answer)["taken"].as_uint();
    if (taken >= size) {
        return http::no_content();
    }
    const std::string why = (*answer)["why"].as_string() + "; of " + std::to_string(size) +
                            " bytes " + std::to_string(taken) + " were taken";
    return input_problem((*answer)["full"].as_bool() ? 429 : 409, why, taken);
}

void write_stdin(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const auto data = exchange.body().get<std::string>("data");
    if (!address || !data) {
        return exchange.responder.send(face::problem_of(address ? data.error() : address.error()));
    }
    if (data->size() > kMaxInput) {
        return exchange.responder.send(input_problem(413, "at most 64 KiB of input at once", 0));
    }
    const wire::Value args = wire::Value::Map{{"id", address->id}, {"data", *data}};
    ask(services,
        address->agent,
        "input",
        args,
        std::chrono::seconds(5),
        [&services, exchange, address = *address, size = data->size()](
            const Result<wire::Value>& answer) {
            const std::string result = answer ? std::to_string((*answer)["taken"].as_uint()) +
                                                    " of " + std::to_string(size) + " bytes"
                                              : change_failed(answer.error());
            audit_and_send(
                services, exchange, "stdin", address.key(), result, input_response(answer, size));
        });
}

}  // namespace

std::vector<Route> action_routes(const Services& services) {
    return {
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/{verb=start|stop|restart|kill|clean|reload}",
         Right::Act,
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
         Right::Act,
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
         Right::Act,
         Where::Loop,
         [&services](const Exchange& exchange) { act_on_many(services, exchange); },
         {"One verb for many apps, all agents at once, with a result for each",
          "",
          "BulkAction",
          "BulkResult",
          200}},
        {Method::Get,
         "/api/v1/operations/{id}",
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) { get_operation(services, exchange); },
         {"How far a command is", "", "", "Operation", 200}},
    };
}

}  // namespace berth::rest
