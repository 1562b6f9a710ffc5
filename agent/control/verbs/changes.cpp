#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "shared/wire/status.h"

namespace berth::control::verbs {

using wire::Value;

namespace {

constexpr std::size_t kMaxInput = 1U << 20U;
constexpr std::uint64_t kLongestInputWaitMs = 60'000;

}  // namespace

void act(Context& context,
         const Client& client,
         const wire::Request& request,
         const wire::ActRequest& args) {
    context.actions.handle(client, request, args);
}

void load(Context& context,
          const Client& client,
          const wire::Request& request,
          const wire::LoadRequest& args) {
    apps::LoadRequest load;
    load.paths = args.paths;
    load.cwd = args.cwd;
    load.environment = args.environment;
    load.fresh = args.fresh;
    const bool absolute =
        std::all_of(load.paths.begin(), load.paths.end(), [](const std::string& path) {
            return !path.empty() && path.front() == '/';
        });
    if (load.paths.empty() || !absolute || load.cwd.empty() || load.cwd.front() != '/') {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "paths and cwd must be absolute", 0});
    }
    context.apps.catalog().load(
        load, {args.actor}, [&context, client, request](const apps::Catalog::Loaded& loaded) {
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

void scan(Context& context,
          const Client& client,
          const wire::Request& request,
          const wire::ScanRequest& /*args*/) {
    context.apps.catalog().scan([&context, client, request](const apps::Catalog::Scanned& scanned) {
        ok(client,
           request,
           Value::Map{{"found", wire::strings(scanned.found)},
                      {"problems", wire::strings(scanned.problems)}});
    });
}

void input(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::InputRequest& args) {
    const std::string& data = args.data;
    if (data.size() > kMaxInput) {
        return refuse(client, request, {ErrorCode::TooLarge, "at most 1 MiB of input at once", 0});
    }
    const auto patience =
        std::chrono::milliseconds(std::min<std::uint64_t>(args.wait_ms, kLongestInputWaitMs));
    const auto answer = [&context, client, request](const backend::InputResult& outcome) {
        if (outcome.why && outcome.why->code == ErrorCode::TimedOut) {
            return refuse(client, request, *outcome.why);
        }
        ok(client,
           request,
           Value::Map{{"taken", std::uint64_t{outcome.taken}},
                      {"why", outcome.why ? outcome.why->message : ""},
                      {"full", outcome.why && outcome.why->code == ErrorCode::Exhausted}});
    };
    const auto sent = context.apps.conductor().input(args.id, data, patience, answer);
    if (!sent) {
        refuse(client, request, sent.error());
    }
}

void resize(Context& context,
            const Client& client,
            const wire::Request& request,
            const wire::ResizeRequest& args) {
    context.apps.conductor().resize(
        args.id, static_cast<std::uint32_t>(args.rows), static_cast<std::uint32_t>(args.columns));
    ok(client, request);
}

}  // namespace berth::control::verbs
