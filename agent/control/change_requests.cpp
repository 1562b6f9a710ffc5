#include "agent/control/replies.h"
#include "agent/control/server.h"
#include "shared/wire/status.h"

namespace berth::control {

// The requests that change something: apps, who may reach this agent, and the agent itself.

using wire::Value;

namespace {

constexpr std::size_t kMaxInput = 1U << 20U;
constexpr std::uint64_t kLongestInputWaitMs = 60'000;

}  // namespace

void Server::on_act(const Client& client, const wire::Request& request) {
    actions_.handle(client, request);
}

void Server::on_load(const Client& client, const wire::Request& request) {
    apps::LoadRequest load;
    load.paths = request.args["paths"].as_strings();
    load.cwd = request.args["cwd"].as_string();
    load.environment = request.args["environment"].as_strings();
    load.fresh = request.args["fresh"].as_bool();
    const bool absolute =
        std::all_of(load.paths.begin(), load.paths.end(), [](const std::string& path) {
            return !path.empty() && path.front() == '/';
        });
    if (load.paths.empty() || !absolute || load.cwd.empty() || load.cwd.front() != '/') {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "paths and cwd must be absolute", 0});
    }
    apps_.catalog().load(
        load,
        {request.args["actor"].as_string()},
        [this, client, request = asked(request)](const apps::Catalog::Loaded& loaded) {
            std::vector<std::string> warnings = loaded.warnings;
            for (const std::string& id : loaded.ids) {
                const apps::App& app = *apps_.find(id);
                for (const std::string& obstacle : apps_.conductor().obstacles(app, app.spec())) {
                    warnings.push_back(id + " would not start: " + obstacle);
                }
            }
            ok(client,
               request,
               Value::Map{{"loaded", wire::strings(loaded.ids)},
                          {"problems", wire::strings(loaded.problems)},
                          {"warnings", wire::strings(warnings)}});
        });
}

void Server::on_scan(const Client& client, const wire::Request& request) {
    apps_.catalog().scan(
        [this, client, request = asked(request)](const apps::Catalog::Scanned& scanned) {
            ok(client,
               request,
               Value::Map{{"found", wire::strings(scanned.found)},
                          {"problems", wire::strings(scanned.problems)}});
        });
}

void Server::on_input(const Client& client, const wire::Request& request) {
    const std::string& data = request.args["data"].as_string();
    if (data.size() > kMaxInput) {
        return refuse(client, request, {ErrorCode::TooLarge, "at most 1 MiB of input at once", 0});
    }
    const auto patience = std::chrono::milliseconds(
        std::min<std::uint64_t>(request.args["wait_ms"].as_uint(), kLongestInputWaitMs));
    const auto answer = [this, client, request = asked(request)](
                            const backend::InputResult& outcome) {
        if (outcome.why && outcome.why->code == ErrorCode::TimedOut) {
            return refuse(client, request, *outcome.why);
        }
        ok(client,
           request,
           Value::Map{{"taken", std::uint64_t{outcome.taken}},
                      {"why", outcome.why ? outcome.why->message : ""},
                      {"full", outcome.why && outcome.why->code == ErrorCode::Exhausted}});
    };
    const auto sent = apps_.conductor().input(request.args["id"].as_string(), data, patience, answer);
    if (!sent) {
        refuse(client, request, sent.error());
    }
}

void Server::on_resize(const Client& client, const wire::Request& request) {
    apps_.conductor().resize(request.args["id"].as_string(),
                     static_cast<std::uint32_t>(request.args["rows"].as_uint()),
                     static_cast<std::uint32_t>(request.args["columns"].as_uint()));
    ok(client, request);
}

void Server::on_authorize(const Client& client, const wire::Request& request) {
    const std::string key = request.args["key"].as_string();
    if (!client.local()) {
        return refuse(
            client, request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    if (!bus::is_key(key)) {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "a key is 40 characters of Z85", 0});
    }
    store_.settings().add_peer({key, request.args["name"].as_string()});
    ok(client, request);
}

void Server::on_revoke(const Client& client, const wire::Request& request) {
    if (!client.local()) {
        return refuse(
            client, request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    const std::string key = request.args["key"].as_string();
    if (!store_.settings().remove_peer(key)) {
        return refuse(client, request, {ErrorCode::NotFound, "that key was not allowed", 0});
    }
    if (mail_) {
        mail_->revoke(key);
    }
    std::erase_if(subscribers_, [&key](const Client& subscriber) { return subscriber.key == key; });
    std::erase_if(waiting_, [&key](const auto& entry) { return entry.second.client.key == key; });
    ok(client, request);
}

void Server::on_peers(const Client& client, const wire::Request& request) {
    Value::Array peers;
    for (const auto& peer : store_.settings().peers()) {
        peers.push_back(Value::Map{{"key", peer.key}, {"name", peer.name}});
    }
    ok(client, request, Value::Map{{"peers", std::move(peers)}, {"endpoint", tcp_endpoint_}});
}

void Server::on_shutdown(const Client& client, const wire::Request& request) {
    if (!client.local()) {
        return refuse(
            client, request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    ok(client, request);
    owner_.shut_down(request.args["keep_apps"].as_bool());
}

void Server::on_upgrade(const Client& client, const wire::Request& request) {
    if (!client.local()) {
        return refuse(
            client, request, {ErrorCode::PermissionDenied, "only over the local socket", 0});
    }
    owner_.upgrade(request.args["folder"].as_string(), [this, client, request](Result<void> done) {
        if (done) {
            ok(client, request);
        } else {
            refuse(client, request, done.error());
        }
    });
}

}  // namespace berth::control
