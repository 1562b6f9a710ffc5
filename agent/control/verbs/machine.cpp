#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "shared/base/key_text.h"

namespace berth::control::verbs {

using wire::Value;

void authorize(Context& context, const Client& client, const wire::Request& request) {
    const auto key = parse_key(request.args["key"].as_string());
    if (!key) {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "a key is " + std::string(kKeyRule), 0});
    }
    if (const std::string endpoint = request.args["listen"].as_string(); !endpoint.empty()) {
        if (const auto opened = context.listen(endpoint); !opened) {
            return refuse(client, request, opened.error());
        }
    }
    context.store.settings().add_peer({*key, request.args["name"].as_string()});
    ok(client,
       request,
       Value::Map{{"endpoint", context.tcp_endpoint}, {"public_key", context.public_key}});
}

void revoke(Context& context, const Client& client, const wire::Request& request) {
    const std::string given = request.args["key"].as_string();
    const std::string key = parse_key(given).value_or(given);
    if (!context.store.settings().remove_peer(key)) {
        return refuse(client, request, {ErrorCode::NotFound, "that key was not allowed", 0});
    }
    context.mail.revoke(key);
    context.subscriptions.drop(key);
    context.waits.drop(key);
    ok(client, request);
}

void peers(Context& context, const Client& client, const wire::Request& request) {
    Value::Array peers;
    for (const auto& peer : context.store.settings().peers()) {
        peers.push_back(Value::Map{{"key", peer.key}, {"name", peer.name}});
    }
    ok(client,
       request,
       Value::Map{{"peers", std::move(peers)},
                  {"endpoint", context.tcp_endpoint},
                  {"public_key", context.public_key}});
}

void shutdown(Context& context, const Client& client, const wire::Request& request) {
    ok(client, request);
    context.owner.shut_down(request.args["keep_apps"].as_bool());
}

void upgrade(Context& context, const Client& client, const wire::Request& request) {
    context.owner.upgrade(request.args["folder"].as_string(), [client, request](Result<void> done) {
        if (done) {
            ok(client, request);
        } else {
            refuse(client, request, done.error());
        }
    });
}

}  // namespace berth::control::verbs
