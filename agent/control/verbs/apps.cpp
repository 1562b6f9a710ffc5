#include <algorithm>

#include "agent/control/explain.h"
#include "agent/control/replies.h"
#include "agent/control/targets.h"
#include "agent/control/verbs/verbs.h"
#include "agent/logs/log_reader.h"
#include "shared/json/json_writer.h"
#include "shared/json/spec_json.h"
#include "shared/wire/status.h"

namespace berth::control::verbs {

using wire::Value;

namespace {

constexpr Duration kFreshSample = std::chrono::milliseconds(900);

std::vector<wire::LogLine> last_lines(Context& context, const std::string& id, std::size_t count) {
    berth::logs::LogQuery query;
    query.form = berth::logs::LogForm::AndRest;
    query.tail = count;
    query.max_lines = count * 2 + 2;
    query.max_bytes = 8 * berth::logs::kMaxLine;
    query.runs = [&context, &id] { return context.apps.run_starts(id); };
    const auto batch = berth::logs::LogReader(context.apps.catalog().log_folder(id)).read(query);
    return batch ? batch->lines : std::vector<wire::LogLine>();
}

void list_now(Context& context,
              const Client& client,
              const wire::Request& request,
              const wire::ListRequest& args,
              const Targets& matches) {
    if (args.metrics) {
        context.apps.figures().sample(kFreshSample);
    }
    Value::Map tails;
    const auto lines = std::min<std::uint64_t>(args.lines, 1000);
    for (const std::string& id : lines > 0 ? matches.ids : std::vector<std::string>()) {
        Value::Array tail;
        for (const wire::LogLine& line : last_lines(context, id, lines)) {
            tail.push_back(wire::to_value(line));
        }
        tails.emplace_back(id, std::move(tail));
    }
    ok(client,
       request,
       Value::Map{{"agent", wire::to_value(context.owner.info())},
                  {"apps", context.statuses(matches.ids)},
                  {"tails", std::move(tails)},
                  {"unmatched", wire::strings(matches.unmatched)}});
}

void show_now(Context& context,
              const Client& client,
              const wire::Request& request,
              const wire::ShowRequest& args) {
    const std::string id = args.id;
    const apps::App* const app = context.apps.find(id);
    if (app == nullptr) {
        return refuse(client, request, no_app(id));
    }
    json::JsonWriter spec;
    // A controller asks for them on behalf of its admins.
    const bool shown = args.secrets && command::allows(client.role, command::Right::Administer);
    json::write_spec(
        spec, app->machine.spec(), shown ? json::Secrets::Shown : json::Secrets::Masked);
    Value::Array history;
    for (const store::EventRow& event : context.store.history().events_of(id, 200)) {
        history.push_back(event_value(event));
    }
    Value::Array runs;
    for (const store::RunRow& run : context.store.history().runs(id, args.runs)) {
        const auto code = spmi_exit_code(run.exit);
        runs.push_back(Value::Map{{"generation", run.generation},
                                  {"started", wire::to_value(run.started)},
                                  {"ended", wire::to_value(run.ended)},
                                  {"exit_code", code ? Value(*code) : Value()},
                                  {"how", run.how}});
    }
    ok(client,
       request,
       Value::Map{{"app", wire::to_value(context.status_of(*app))},
                  {"spec", spec.take()},
                  {"history", std::move(history)},
                  {"runs", std::move(runs)}});
}

void explain_now(Context& context,
                 const Client& client,
                 const wire::Request& request,
                 const wire::ExplainRequest& args) {
    const std::string id = args.id;
    const apps::App* const app = context.apps.find(id);
    if (app == nullptr) {
        return refuse(client, request, no_app(id));
    }
    const AppSpec& spec = app->machine.spec();
    ok(client,
       request,
       wire::to_value(control::explain({context.apps.status(*app),
                                        spec.kind,
                                        spec.restart.policy,
                                        spec.restart.unknown,
                                        spec.schedule.timezone,
                                        app->machine.outlook(),
                                        context.apps.awaited(*app),
                                        last_lines(context, id, 3),
                                        context.loop.now().wall,
                                        context.apps.backend().problem()})));
}

}  // namespace

void hello(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::NoArguments& /*args*/) {
    ok(client, request, Value::Map{{"agent", wire::to_value(context.owner.info())}});
}

void subscribe(Context& context,
               const Client& client,
               const wire::Request& request,
               const wire::NoArguments& /*args*/) {
    Value::Map snapshot = context.subscriptions.add(client);
    snapshot.emplace_back("agent", wire::to_value(context.owner.info()));
    ok(client, request, std::move(snapshot));
}

void list(Context& context,
          const Client& client,
          const wire::Request& request,
          const wire::ListRequest& args) {
    const auto found = match_apps(
        context.apps, args.patterns, args.expressions ? Naming::Expressions : Naming::IdsFirst);
    if (!found) {
        return refuse(client, request, found.error());
    }
    context.apps.ledger().look_after_store();
    context.apps.catalog().look_at_descriptors(
        found->ids, [&context, client, request, args, matches = *found] {
            list_now(context, client, request, args, matches);
        });
}

void show(Context& context,
          const Client& client,
          const wire::Request& request,
          const wire::ShowRequest& args) {
    const std::string id = args.id;
    if (context.apps.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    context.apps.catalog().look_at_descriptors(
        {id}, [&context, client, request, args] { show_now(context, client, request, args); });
}

void explain(Context& context,
             const Client& client,
             const wire::Request& request,
             const wire::ExplainRequest& args) {
    const std::string id = args.id;
    if (context.apps.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    context.apps.catalog().look_at_descriptors(
        {id}, [&context, client, request, args] { explain_now(context, client, request, args); });
}

}  // namespace berth::control::verbs
