#include "agent/control/replies.h"
#include "agent/control/server.h"
#include "agent/relay/secrets.h"

// The part of the Server that hands on to the relay.
namespace berth::control {

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

void Server::on_message(const Client& client, const wire::Request& request) {
    if (owner_.relay == nullptr) {
        return refuse(client, request, {ErrorCode::Unavailable, "there is no relay", 0});
    }
    relay::OperatorRequest asked;
    asked.verb = request.args["verb"].as_string();
    asked.app = request.args["app"].as_string();
    asked.args = request.args["args"].is_map() ? request.args["args"] : Value(Value::Map{});
    asked.payload = request.args["payload"].as_strings();
    if (asked.verb == "hello") {
        return refuse(client, request, {ErrorCode::InvalidArgument, "the operator is known", 0});
    }
    owner_.relay->ask(asked, [this, client, request](const relay::OperatorAnswer& answer) {
        ok(client,
           request,
           Value::Map{{"code", std::uint64_t{static_cast<std::uint16_t>(answer.code)}},
                      {"info", answer.info},
                      {"payload", payload_value(answer.payload)}});
    });
}

void Server::on_mailbox(const Client& client, const wire::Request& request) {
    if (owner_.relay == nullptr) {
        return refuse(client, request, {ErrorCode::Unavailable, "there is no relay", 0});
    }
    const std::uint64_t max = std::min(request.args["max"].as_uint(kMaxPeeked), kMaxPeeked);
    owner_.relay->peek(request.args["id"].as_string(),
                       max,
                       [this, client, request](const std::vector<relay::Service::Waiting>& found) {
                           Value::Array messages;
                           for (const auto& message : found) {
                               messages.push_back(Value::Map{{"id", message.id},
                                                             {"from", message.from},
                                                             {"time_ms", message.time_ms},
                                                             {"attempt", message.attempt},
                                                             {"payload", message.payload}});
                           }
                           ok(client, request, Value::Map{{"messages", std::move(messages)}});
                       });
}

void Server::on_outbox(const Client& client, const wire::Request& request) {
    if (owner_.relay == nullptr) {
        return refuse(client, request, {ErrorCode::Unavailable, "there is no relay", 0});
    }
    const std::string drop = request.args["drop"].as_string();
    if (!drop.empty()) {
        return owner_.relay->drop_outbox(drop, [this, client, request](std::size_t dropped) {
            ok(client, request, Value::Map{{"dropped", std::uint64_t{dropped}}});
        });
    }
    owner_.relay->outbox([this, client, request](const std::vector<relay::OutboxStats>& outboxes) {
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

void Server::on_token(const Client& client, const wire::Request& request) {
    if (!client.local()) {
        return refuse(
            client, request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    const std::string app = request.args["app"].as_string();
    const auto secret = relay::ensure_secret(owner_.home, app);
    if (!secret) {
        return refuse(client, request, secret.error());
    }
    ok(client,
       request,
       Value::Map{{"app", app},
                  {"secret", *secret},
                  {"file", relay::secret_file(owner_.home, app)},
                  {"endpoint", "ipc://" + owner_.home + "/run/app.sock"}});
}

}  // namespace berth::control
