#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "shared/wire/status.h"

namespace berth::control::verbs {

using wire::Value;

namespace {

constexpr std::size_t kMaxInput = 1U << 20U;
constexpr std::uint64_t kLongestInputWaitMs = 60'000;

}  // namespace

void act(Context& context, const Client& client, const wire::Request& request) {
    context.actions.handle(client, request);
}

void load(Context& context, const Client& client, const wire::Request& request) {
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
    context.apps.catalog().load(
        load,
        {request.args["actor"].as_string()},
        [&context, client, request = asked(request)](const apps::Catalog::Loaded& loaded) {
            std::vector<std::string> warnings = loaded.warnings;
            for (const std::string& id : loaded.ids) {
                const apps::App& app = *context.apps.find(id);
                for (const std::string& obstacle :
                     context.apps.conductor().obstacles(app, app.spec())) {
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

void scan(Context& context, const Client& client, const wire::Request& request) {
    context.apps.catalog().scan(
        [&context, client, request = asked(request)](const apps::Catalog::Scanned& scanned) {
            ok(client,
               request,
               Value::Map{{"found", wire::strings(scanned.found)},
                          {"problems", wire::strings(scanned.problems)}});
        });
}

void input(Context& context, const Client& client, const wire::Request& request) {
    const std::string& data = request.args["data"].as_string();
    if (data.size() > kMaxInput) {
        return refuse(client, request, {ErrorCode::TooLarge, "at most 1 MiB of input at once", 0});
    }
    const auto patience = std::chrono::milliseconds(
        std::min<std::uint64_t>(request.args["wait_ms"].as_uint(), kLongestInputWaitMs));
    const auto answer =
        [&context, client, request = asked(request)](const backend::InputResult& outcome) {
            if (outcome.why && outcome.why->code == ErrorCode::TimedOut) {
                return refuse(client, request, *outcome.why);
            }
            ok(client,
               request,
               Value::Map{{"taken", std::uint64_t{outcome.taken}},
                          {"why", outcome.why ? outcome.why->message : ""},
                          {"full", outcome.why && outcome.why->code == ErrorCode::Exhausted}});
        };
    const auto sent =
        context.apps.conductor().input(request.args["id"].as_string(), data, patience, answer);
    if (!sent) {
        refuse(client, request, sent.error());
    }
}

void resize(Context& context, const Client& client, const wire::Request& request) {
    context.apps.conductor().resize(request.args["id"].as_string(),
                                    static_cast<std::uint32_t>(request.args["rows"].as_uint()),
                                    static_cast<std::uint32_t>(request.args["columns"].as_uint()));
    ok(client, request);
}

}  // namespace berth::control::verbs
