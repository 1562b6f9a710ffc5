#include <algorithm>

#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/base/text.h"
#include "shared/json/json_writer.h"
#include "shared/mail/mail_json.h"
#include "shared/mail/payload.h"

namespace berth::rest {

// The messages of apps: what waits, what went through, and sending and removing by hand.

namespace {

using http::Method;
using wire::Value;

constexpr std::size_t kMaxPayload = 1U << 20U;  // of one sent by hand
constexpr std::uint64_t kAnyNumber = ~0ULL;

// A list that the agent gives, each of it written by `write`.
using Write = void (*)(json::JsonWriter& json, const Value& item);

void write_list(json::JsonWriter& json, const Value& info, const char* name, Write write) {
    json.key(name).begin_array();
    for (const Value& item : info[name].as_array()) {
        write(json, item);
    }
    json.end_array();
}

http::Response mailboxes_response(const Value& info) {
    json::JsonWriter json;
    json.begin_object();
    write_list(json, info, "mailboxes", mail::write_mailbox);
    return face::json_response(json.end_object().take());
}

void get_mailboxes(const Services& services, const Exchange& exchange) {
    const auto agent = agent_of(exchange);
    if (!refuse_any(exchange, agent)) {
        services.use.mail.mailboxes(
            caller_of(exchange), *agent, reply<Value>(exchange, mailboxes_response));
    }
}

http::Response trace_response(const Value& info) {
    json::JsonWriter json;
    json.begin_object();
    write_list(json, info, "entries", mail::write_entry);
    json.field("change", info["change"].as_uint());
    return face::json_response(json.end_object().take());
}

void get_trace(const Services& services, const Exchange& exchange) {
    const auto agent = agent_of(exchange);
    const auto limit = number_parameter(exchange.request, "limit", 200, 1024);
    const auto after = number_parameter(exchange.request, "after", 0, kAnyNumber);
    if (!refuse_any(exchange, agent, limit, after)) {
        services.use.mail.trace(caller_of(exchange),
                                *agent,
                                exchange.request.parameter("app"),
                                {*limit, *after},
                                reply<Value>(exchange, trace_response));
    }
}

http::Response messages_response(const Value& info) {
    json::JsonWriter json;
    json.begin_object();
    write_list(json, info, "messages", mail::write_message);
    json.field("more", info["more"].as_bool());
    mail::write_figures(json, info["mailbox"]);
    return face::json_response(json.end_object().take());
}

void get_mailbox(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto limit = number_parameter(exchange.request, "limit", 100, 1000);
    const auto after = number_parameter(exchange.request, "after", 0, kAnyNumber);
    if (!refuse_any(exchange, app, limit, after)) {
        services.use.mail.messages(caller_of(exchange),
                                   *app,
                                   {*limit,
                                    *after,
                                    exchange.request.parameter("full") == "true",
                                    exchange.request.parameter("dead") == "true"},
                                   reply<Value>(exchange, messages_response));
    }
}

// --- changes

// Answers with an object of one number.
service::Done<std::uint64_t> reply_number(const Exchange& exchange, const char* name) {
    return reply<std::uint64_t>(exchange, [name](std::uint64_t number) {
        json::JsonWriter json;
        return face::json_response(json.begin_object().field(name, number).end_object().take());
    });
}

void clear_mailbox(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    if (!refuse_any(exchange, app)) {
        services.use.mail.clear(caller_of(exchange),
                                *app,
                                exchange.request.parameter("dead") == "true",
                                reply_number(exchange, "removed"));
    }
}

void remove_message(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto id = parse_integer<std::uint64_t>(exchange.param("message"));
    if (refuse_any(exchange, app)) {
        return;
    }
    if (!id) {
        return exchange.responder.send(face::problem(400, "a message is a whole number"));
    }
    services.use.mail.remove(
        caller_of(exchange), *app, *id, reply<std::monostate>(exchange, [](std::monostate) {
            return http::no_content();
        }));
}

void resend_messages(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    const auto message = exchange.body().get_optional<std::uint64_t>("message");
    if (!refuse_any(exchange, app, message)) {
        services.use.mail.resend(
            caller_of(exchange), *app, *message, reply_number(exchange, "resent"));
    }
}

// The member "payload" as msgpack; none: nothing.
Result<std::optional<std::string>> payload_of(const json::JsonValue& body) {
    const json::JsonValue* const payload = body.find("payload");
    std::optional<std::string> packed;
    if (payload != nullptr) {
        packed = wire::encode(mail::value_of(*payload));
        if (packed->size() > kMaxPayload) {
            return fail(ErrorCode::TooLarge, "at most 1 MiB of payload by hand");
        }
    }
    return packed;
}

// Without its payload.
Result<service::NewMessage> read_message(const json::JsonValue& body) {
    BERTH_TRY(const auto ttl, body.get_optional<double>("ttl"));
    BERTH_TRY(const auto durable, body.get_optional<bool>("durable"));
    constexpr double kLongest = 366.0 * 24 * 3600;
    service::NewMessage message;
    message.durable = durable.value_or(true);
    if (ttl) {
        if (!(*ttl > 0 && *ttl <= kLongest)) {
            return fail(ErrorCode::InvalidArgument,
                        "\"ttl\" is more than 0 seconds, at most a year");
        }
        message.ttl_ms = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(*ttl * 1000));
    }
    return message;
}

http::Response sent_response(const service::SentMessage& sent) {
    json::JsonWriter json;
    json.begin_object().field("id", sent.id).field("known", sent.known);
    return face::json_response(json.end_object().take());
}

void send_message(const Services& services, const Exchange& exchange) {
    const auto app = app_address(exchange);
    auto message = read_message(exchange.body());
    auto payload = payload_of(exchange.body());
    if (refuse_any(exchange, app, message, payload)) {
        return;
    }
    if (!*payload) {
        return exchange.responder.send(face::problem(400, "\"payload\" is missing"));
    }
    message->payload = std::move(**payload);
    services.use.mail.send(
        caller_of(exchange), *app, *message, reply<service::SentMessage>(exchange, sent_response));
}

void raise_event(const Services& services, const Exchange& exchange) {
    const auto agent = agent_of(exchange);
    const auto type = exchange.body().get<std::string>("type");
    const auto payload = payload_of(exchange.body());
    if (!refuse_any(exchange, agent, type, payload)) {
        services.use.mail.raise(
            caller_of(exchange), *agent, {*type, *payload}, reply_number(exchange, "seq"));
    }
}

}  // namespace

std::vector<Route> mail_routes(const Services& services) {
    const auto bound = [&services](void (*handle)(const Services&, const Exchange&)) {
        return [&services, handle](const Exchange& exchange) { handle(services, exchange); };
    };
    return {
        {Method::Get,
         "/api/v1/agents/{agent}/mailboxes",
         service::kShowMail,
         Where::Loop,
         bound(get_mailboxes),
         {"All mailboxes of the agent: what waits, how fast, how old", "", "", "Mailboxes", 200}},
        {Method::Get,
         "/api/v1/agents/{agent}/trace",
         service::kShowMail,
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
         service::kShowMail,
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
         service::kClearMailbox,
         Where::Loop,
         bound(clear_mailbox),
         {"Remove all messages that wait for the app, or all its dead letters",
          "dead=true|false",
          "",
          "Removed",
          200}},
        {Method::Delete,
         "/api/v1/agents/{agent}/apps/{id}/mailbox/{message}",
         service::kRemoveMessage,
         Where::Loop,
         bound(remove_message),
         {"Remove one message that waits for the app, or one of its dead letters",
          "",
          "",
          "",
          204}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/mailbox/resend",
         service::kResendMessages,
         Where::Loop,
         bound(resend_messages),
         {"Give out a dead letter again, or all of them", "", "ResendMessages", "Resent", 200}},
        {Method::Post,
         "/api/v1/agents/{agent}/apps/{id}/messages",
         service::kSendMessage,
         Where::Loop,
         bound(send_message),
         {"Send the app a message; it is kept until the app has it",
          "",
          "NewMessage",
          "SentMessage",
          200}},
        {Method::Post,
         "/api/v1/agents/{agent}/events",
         service::kRaiseEvent,
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
