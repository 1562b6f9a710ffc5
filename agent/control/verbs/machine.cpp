#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "shared/base/key_text.h"

namespace berth::control::verbs {

using wire::Value;

void authorize(Context& context,
               const Client& client,
               const wire::Request& request,
               const wire::AuthorizeRequest& args) {
    const auto key = parse_key(args.key);
    if (!key) {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "a key is " + std::string(kKeyRule), 0});
    }
    if (!command::kRoleNames.value(args.role)) {
        return refuse(client,
                      request,
                      {ErrorCode::InvalidArgument,
                       "a role is viewer, operator or admin, not \"" + args.role + "\"",
                       0});
    }
    if (const std::string endpoint = args.listen; !endpoint.empty()) {
        if (const auto opened = context.listen(endpoint); !opened) {
            return refuse(client, request, opened.error());
        }
    }
    context.store.settings().add_peer({*key, args.name, args.role});
    ok(client,
       request,
       Value::Map{{"endpoint", context.tcp_endpoint},
                  {"public_key", context.public_key},
                  {"role", args.role}});
}

void revoke(Context& context,
            const Client& client,
            const wire::Request& request,
            const wire::RevokeRequest& args) {
    const std::string given = args.key;
    const std::string key = parse_key(given).value_or(given);
    if (!context.store.settings().remove_peer(key)) {
        return refuse(client, request, {ErrorCode::NotFound, "that key was not allowed", 0});
    }
    context.mail.revoke(key);
    context.subscriptions.drop(key);
    context.waits.drop(key);
    ok(client, request);
}

void peers(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::NoArguments& /*args*/) {
    Value::Array peers;
    for (const auto& peer : context.store.settings().peers()) {
        peers.push_back(Value::Map{{"key", peer.key}, {"name", peer.name}, {"role", peer.role}});
    }
    ok(client,
       request,
       Value::Map{{"peers", std::move(peers)},
                  {"endpoint", context.tcp_endpoint},
                  {"public_key", context.public_key}});
}

void shutdown(Context& context,
              const Client& client,
              const wire::Request& request,
              const wire::ShutdownRequest& args) {
    ok(client, request);
    context.owner.shut_down(args.keep_apps);
}

void upgrade(Context& context,
             const Client& client,
             const wire::Request& request,
             const wire::UpgradeRequest& args) {
    context.owner.upgrade(args.folder, [client, request](Result<void> done) {
        if (done) {
            ok(client, request);
        } else {
            refuse(client, request, done.error());
        }
    });
}

}  // namespace berth::control::verbs
