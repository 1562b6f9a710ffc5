
#include "controller/face/rest/services.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"
#include "shared/mail/mail_json.h"
#include "shared/mail/payload.h"

namespace berth::rest {

// The messages of apps: what waits, what went through, and sending and removing by hand.

namespace {

using access::Right;
using http::Method;
using wire::Value;

constexpr Duration kDeadline = std::chrono::seconds(10);
constexpr std::size_t kMaxPayload = 1U << 20U;  // of one sent by hand

Result<std::string> agent_of(const Exchange& exchange) {
    const std::string& agent = exchange.param("agent");
    if (!is_valid_id(agent)) {
        return fail(ErrorCode::InvalidArgument, "an id is " + std::string(kIdRule));
    }
    return agent;
}

// A list that the agent gives, each of it written by `write`.
using Write = void (*)(json::JsonWriter& json, const Value& item);

void write_list(json::JsonWriter& json, const Value& info, const char* name, Write write) {
    json.key(name).begin_array();
    for (const Value& item : info[name].as_array()) {
        write(json, item);
    }
    json.end_array();
}

// Asks the agent and answers with what `render` makes of it.
template <class Render>
void ask_and_render(const Services& services,
                    const Exchange& exchange,
                    const std::string& agent,
                    const std::string& verb,
                    Value::Map args,
                    Render render) {
    ask(services,
        agent,
        verb,
        std::move(args),
        kDeadline,
        [responder = exchange.responder, render](const Result<Value>& answer) {
            if (!answer) {
                return responder.send(face::problem_of_agent(answer.error()));
            }
            json::JsonWriter json;
            json.begin_object();
            render(json, *answer);
            responder.send(face::json_response(json.end_object().take()));
        });
}

void get_mailboxes(const Services& services, const Exchange& exchange) {
    const auto agent = agent_of(exchange);
    if (!agent) {
        return exchange.responder.send(face::problem_of(agent.error()));
    }
    ask_and_render(
        services, exchange, *agent, "mailboxes", {}, [](json::JsonWriter& json, const Value& info) {
            write_list(json, info, "mailboxes", mail::write_mailbox);
        });
}

constexpr std::uint64_t kAnyNumber = ~0ULL;

void get_trace(const Services& services, const Exchange& exchange) {
    const auto agent = agent_of(exchange);
    const auto limit = number_parameter(exchange.request, "limit", 200, 1024);
    const auto after = number_parameter(exchange.request, "after", 0, kAnyNumber);
    const std::string& app = exchange.request.parameter("app");
    if (!agent || !limit || !after) {
        return exchange.responder.send(
            face::problem_of(!agent ? agent.error() : (!limit ? limit.error() : after.error())));
    }
    ask_and_render(services,
                   exchange,
                   *agent,
                   "trace",
                   {{"id", app}, {"max", *limit}, {"after", *after}},
                   [](json::JsonWriter& json, const Value& info) {
                       write_list(json, info, "entries", mail::write_entry);
                       json.field("change", info["change"].as_uint());
                   });
}

void get_mailbox(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const auto limit = number_parameter(exchange.request, "limit", 100, 1000);
    const auto after = number_parameter(exchange.request, "after", 0, kAnyNumber);
    if (!address || !limit || !after) {
        return exchange.responder.send(face::problem_of(
            !address ? address.error() : (!limit ? limit.error() : after.error())));
    }
    ask_and_render(services,
                   exchange,
                   address->agent,
                   "messages",
                   {{"id", address->id},
                    {"max", *limit},
                    {"after", *after},
                    {"full", exchange.request.parameter("full") == "true"},
                    {"dead", exchange.request.parameter("dead") == "true"}},
                   [](json::JsonWriter& json, const Value& info) {
                       write_list(json, info, "messages", mail::write_message);
                       json.field("more", info["more"].as_bool());
                       mail::write_figures(json, info["mailbox"]);
                   });
}

// --- changes

struct Change {
    std::string agent;
    std::string verb;  // for the agent
    Value::Map args;
    std::string action;  // for the audit log
    std::string target;
};

// What a `message` request got from the relay; its code as our error.
Result<Value> relayed(const Value& reply) {
    const auto code = static_cast<wire::Code>(reply["code"].as_uint());
    if (code != wire::Code::Ok) {
        return fail(wire::error_code_of(code), reply["info"]["error"].as_string());
    }
    return reply["info"];
}

// Asks the agent; the audit log gets the change, the client what `render` makes of the answer.
void carry_out(const Services& services,
               const Exchange& exchange,
               const Change& change,
               std::function<http::Response(const Value& info)> render) {
    ask(services,
        change.agent,
        change.verb,
        change.args,
        kDeadline,
        [&services, exchange, change, render = std::move(render)](const Result<Value>& answer) {
            Result<Value> info = answer;
            if (answer && change.verb == "message") {
                info = relayed(*answer);
            }
            http::Response response = info ? render(*info) : face::problem_of(info.error());
            if (!answer) {
                response = face::problem_of_agent(change_error(answer.error()));
            }
            audit_and_send(services,
                           exchange,
                           change.action,
                           change.target,
                           info ? "done" : change_failed(info.error()),
                           std::move(response));
        });
}

http::Response number_response(std::string_view name, std::uint64_t number) {
    json::JsonWriter json;
    return face::json_response(json.begin_object().field(name, number).end_object().take());
}

void clear_mailbox(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    if (!address) {
        return exchange.responder.send(face::problem_of(address.error()));
    }
    const bool dead = exchange.request.parameter("dead") == "true";
    carry_out(
        services,
        exchange,
        {address->agent,
         "message",
         {{"verb", dead ? "drop" : "clear"}, {"app", address->id}},
         dead ? "drop_dead_letters" : "clear_mailbox",
         address->key()},
        [](const Value& info) { return number_response("removed", info["removed"].as_uint()); });
}

void remove_message(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const std::string& text = exchange.param("message");
    const auto id = parse_integer<std::uint64_t>(text);
    if (!address || !id) {
        return exchange.responder.send(address ? face::problem(400, "a message is a whole number")
                                               : face::problem_of(address.error()));
    }
    carry_out(services,
              exchange,
              {address->agent,
               "remove_message",
               {{"id", address->id}, {"message", *id}},
               "remove_message",
               address->key() + " " + text},
              [](const Value& /*info*/) { return http::no_content(); });
}

void resend_messages(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const auto message = exchange.body().get_optional<std::uint64_t>("message");
    if (!address || !message) {
        return exchange.responder.send(
            face::problem_of(address ? message.error() : address.error()));
    }
    Value::Map args;
    std::string target = address->key();
    if (*message) {
        args.emplace_back("ids", Value::Array{**message});
        target += " " + std::to_string(**message);
    }
    carry_out(
        services,
        exchange,
        {address->agent,
         "message",
         {{"verb", "resend"}, {"app", address->id}, {"args", args}},
         "resend_messages",
         target},
        [](const Value& info) { return number_response("resent", info["resent"].as_uint()); });
}

// The member "payload" as msgpack; none: nothing.
Result<std::vector<std::string>> payload_of(const json::JsonValue& body) {
    const json::JsonValue* const payload = body.find("payload");
    std::vector<std::string> frames;
    if (payload != nullptr) {
        frames.push_back(wire::encode(mail::value_of(*payload)));
        if (frames[0].size() > kMaxPayload) {
            return fail(ErrorCode::TooLarge, "at most 1 MiB of payload by hand");
        }
    }
    return frames;
}

Result<Value> notify_args(const json::JsonValue& body, const std::string& to) {
    BERTH_TRY(const auto ttl, body.get_optional<double>("ttl"));
    BERTH_TRY(const auto durable, body.get_optional<bool>("durable"));
    constexpr double kLongest = 366.0 * 24 * 3600;
    Value::Map args = {{"to", to}, {"durable", durable.value_or(true)}};
    if (ttl) {
        if (!(*ttl > 0 && *ttl <= kLongest)) {
            return fail(ErrorCode::InvalidArgument,
                        "\"ttl\" is more than 0 seconds, at most a year");
        }
        args.emplace_back("ttl_ms",
                          std::max<std::uint64_t>(1, static_cast<std::uint64_t>(*ttl * 1000)));
    }
    return Value(args);
}

void send_message(const Services& services, const Exchange& exchange) {
    const auto address = app_address(exchange);
    const auto payload = payload_of(exchange.body());
    const auto args =
        address ? notify_args(exchange.body(), address->id) : Result<Value>(fail(address.error()));
    if (!address || !payload || !args || payload->empty()) {
        const Error missing{ErrorCode::InvalidArgument, "\"payload\" is missing", 0};
        return exchange.responder.send(
            face::problem_of(!args ? args.error() : (!payload ? payload.error() : missing)));
    }
    carry_out(
        services,
        exchange,
        {address->agent,
         "message",
         {{"verb", "notify"}, {"app", ""}, {"args", *args}, {"payload", wire::strings(*payload)}},
         "send_message",
         address->key()},
        [](const Value& info) {
            json::JsonWriter json;
            json.begin_object().field("id", info["ids"].at(0).as_uint());
            json.field("known", info["known"].as_bool());
            return face::json_response(json.end_object().take());
        });
}

void raise_event(const Services& services, const Exchange& exchange) {
    const auto agent = agent_of(exchange);
    const auto type = exchange.body().get<std::string>("type");
    const auto payload = payload_of(exchange.body());
    if (!agent || !type || !payload) {
        return exchange.responder.send(
            face::problem_of(!agent ? agent.error() : (!type ? type.error() : payload.error())));
    }
    carry_out(services,
              exchange,
              {*agent,
               "message",
               {{"verb", "raise"},
                {"app", ""},
                {"args", Value::Map{{"type", *type}}},
                {"payload", wire::strings(*payload)}},
               "raise_event",
               *agent + " " + shortened(*type, 256)},
              [](const Value& info) { return number_response("seq", info["seq"].as_uint()); });
}

}  // namespace

std::vector<Route> mail_routes(const Services& services) {
    const auto bound = [&services](void (*handle)(const Services&, const Exchange&)) {
        return [&services, handle](const Exchange& exchange) { handle(services, exchange); };
    };
    return {
        {Method::Get,
         "/api/v1/agents/{agent}/mailboxes",
         Right::View,
         Where::Loop,
         bound(get_mailboxes),
         {"All mailboxes of the agent: what waits, how fast, how old", "", "", "Mailboxes", 200}},
        {Method::Get,
         "/api/v1/agents/{agent}/trace",
         Right::View,
         Where::Loop,
         bound(get_trace),
         {"The last messages between apps, about a thousand, and when each was stored, given out "
          "and acknowledged",
          "app,after,limit",
          "",
          "Trace",
          200}},
        {Method::Get,
         "/api/v1/agents/{agent}/apps/{id}/mailbox",
         Right::View,
         Where::Loop,
         bound(get_mailbox),
         {"The messages that wait for the app, or its dead letters, oldest first, decoded for "
          "display; secrets are masked",
          "after,limit,full=true|false,dead=true|false",
          "",
          "Messages",
          200}},
        {Method::Delete,
         "/api/v1/agents/{agent}/apps/{id}/mailbox",
         Right::Act,
         Where::Loop,
         bound(clear_mailbox),
         {"Remove all messages that wait for the app, or all its dead letters",
          "dead=true|false",
          "",
          "Removed",
          200}},
        {Method::Delete,
         "/api/v1/agents/{agent}/apps/{id}/mailbox/{message}",
         Right::Act,
         Where::Loop,
         bound(remove_message),
         {"Remove one message that waits for the app, or one of its dead letters",
          "",
          "",
          "",
          204}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/mailbox/resend",
         Right::Act,
         Where::Loop,
         bound(resend_messages),
         {"Give out a dead letter again, or all of them", "", "ResendMessages", "Resent", 200}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/messages",
         Right::Act,
         Where::Loop,
         bound(send_message),
         {"Send the app a message; it is kept until the app has it",
          "",
          "NewMessage",
          "SentMessage",
          200}},
        {Method::Post,
         "/api/v1/agents/{agent}/events",
         Right::Act,
         Where::Loop,
         bound(raise_event),
         {"Raise an event for all apps of the agent that listen",
          "",
          "NewEvent",
          "RaisedEvent",
          200}},
    };
}

}  // namespace berth::rest
