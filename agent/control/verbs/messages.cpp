#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "agent/relay/client/secrets.h"

namespace berth::control::verbs {

using wire::Value;

namespace {

constexpr std::uint64_t kMaxPeeked = 1000;

Value payload_value(const std::vector<std::string>& payload) {
    Value::Array frames;
    for (const std::string& frame : payload) {
        frames.emplace_back(frame);
    }
    return frames;
}

}  // namespace

void message(Context& context,
             const Client& client,
             const wire::Request& request,
             const wire::MessageRequest& args) {
    relay::OperatorRequest asked;
    asked.verb = args.verb;
    asked.app = args.app;
    asked.args = args.args.is_map() ? args.args : Value(Value::Map{});
    asked.payload = args.payload;
    if (asked.verb == "hello") {
        return refuse(client, request, {ErrorCode::InvalidArgument, "the operator is known", 0});
    }
    context.relay.ask(asked, [&context, client, request](const relay::OperatorAnswer& answer) {
        ok(client,
           request,
           Value::Map{{"code", std::uint64_t{static_cast<std::uint16_t>(answer.code)}},
                      {"info", answer.info},
                      {"payload", payload_value(answer.payload)}});
    });
}

void mailbox(Context& context,
             const Client& client,
             const wire::Request& request,
             const wire::MailboxRequest& args) {
    const std::uint64_t max = std::min(args.max, kMaxPeeked);
    context.relay.peek(
        args.id, max, 0, [&context, client, request](const std::vector<relay::Message>& found) {
            Value::Array messages;
            for (const relay::Message& message : found) {
                messages.push_back(Value::Map{{"id", message.id},
                                              {"from", *message.from},
                                              {"time_ms", message.time_ms},
                                              {"attempt", message.attempt},
                                              {"payload", *message.payload}});
            }
            ok(client, request, Value::Map{{"messages", std::move(messages)}});
        });
}

void outbox(Context& context,
            const Client& client,
            const wire::Request& request,
            const wire::OutboxRequest& args) {
    const std::string drop = args.drop;
    if (!drop.empty()) {
        return context.relay.drop_outbox(drop, [&context, client, request](std::size_t dropped) {
            ok(client, request, Value::Map{{"dropped", std::uint64_t{dropped}}});
        });
    }
    context.relay.outbox(
        [&context, client, request](const std::vector<relay::OutboxStats>& outboxes) {
            Value::Array agents;
            for (const relay::OutboxStats& outbox : outboxes) {
                agents.push_back(Value::Map{{"agent", outbox.agent},
                                            {"state", outbox.state},
                                            {"count", std::uint64_t{outbox.count}},
                                            {"bytes", std::uint64_t{outbox.bytes}},
                                            {"in_flight", std::uint64_t{outbox.in_flight}},
                                            {"oldest_ms", outbox.oldest_ms},
                                            {"refused", outbox.refused},
                                            {"error", outbox.error}});
            }
            ok(client, request, Value::Map{{"agents", std::move(agents)}});
        });
}

void token(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::TokenRequest& args) {
    const std::string app = args.app;
    const auto secret = relay::ensure_secret(context.home, app);
    if (!secret) {
        return refuse(client, request, secret.error());
    }
    ok(client,
       request,
       Value::Map{{"app", app},
                  {"secret", *secret},
                  {"file", relay::secret_file(context.home, app)},
                  {"endpoint", "ipc://" + context.runtime + "/app.sock"}});
}

}  // namespace berth::control::verbs
