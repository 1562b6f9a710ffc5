#include <algorithm>

#include "agent/control/replies.h"
#include "agent/control/targets.h"
#include "agent/control/verbs/verbs.h"
#include "shared/wire/status.h"

namespace berth::control::verbs {

using wire::Value;

void crashes(Context& context,
             const Client& client,
             const wire::Request& request,
             const wire::CrashesRequest& args) {
    const std::string id = args.id;
    if (!id.empty() && context.apps.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    Value::Array groups;
    for (const store::CrashGroup& group : context.store.history().crash_groups(id)) {
        groups.push_back(Value::Map{{"app", group.id},
                                    {"signature", group.signature},
                                    {"how", group.how},
                                    {"count", group.count},
                                    {"first", wire::to_value(group.first)},
                                    {"last", wire::to_value(group.last)},
                                    {"generation", group.generation}});
    }
    Value::Array bundles;
    const auto limit = std::min<std::uint64_t>(args.limit, 50);
    for (const store::CrashRow& crash :
         id.empty() ? std::vector<store::CrashRow>() : context.store.history().crashes(id, limit)) {
        bundles.push_back(Value::Map{{"generation", crash.generation},
                                     {"time", wire::to_value(crash.time)},
                                     {"signature", crash.signature},
                                     {"how", crash.how},
                                     {"bundle", crash.bundle}});
    }
    ok(client, request, Value::Map{{"groups", std::move(groups)}, {"crashes", std::move(bundles)}});
}

void metrics(Context& context,
             const Client& client,
             const wire::Request& request,
             const wire::MetricsRequest& args) {
    const std::string id = args.id;
    if (context.apps.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    const WallTime now = context.loop.now().wall;
    const WallTime from =
        args.since_ns ? WallTime(Duration(*args.since_ns)) : now - std::chrono::hours(1);
    // A column each, as charts take them.
    Value::Array time, cpu, rss, pss, processes, threads, descriptors, read, write;
    Value::Array messages, messages_in, messages_out;
    for (const figures::Point& point : context.apps.figures().history().since(id, from, now)) {
        time.push_back(wire::to_value(point.time));
        cpu.emplace_back(point.cpu_percent);
        rss.emplace_back(point.rss_bytes);
        pss.emplace_back(point.pss_bytes);
        processes.emplace_back(std::uint64_t{point.processes});
        threads.emplace_back(std::uint64_t{point.threads});
        descriptors.emplace_back(std::uint64_t{point.descriptors});
        read.emplace_back(point.read_rate);
        write.emplace_back(point.write_rate);
        messages.emplace_back(std::uint64_t{point.messages});
        messages_in.emplace_back(point.messages_in);
        messages_out.emplace_back(point.messages_out);
    }
    ok(client,
       request,
       Value::Map{{"time", std::move(time)},
                  {"cpu_percent", std::move(cpu)},
                  {"rss_bytes", std::move(rss)},
                  {"pss_bytes", std::move(pss)},
                  {"processes", std::move(processes)},
                  {"threads", std::move(threads)},
                  {"descriptors", std::move(descriptors)},
                  {"read_rate", std::move(read)},
                  {"write_rate", std::move(write)},
                  {"messages", std::move(messages)},
                  {"messages_in", std::move(messages_in)},
                  {"messages_out", std::move(messages_out)}});
}

void check(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::CheckRequest& args) {
    const auto matches = match_apps(context.apps, args.patterns);
    if (!matches) {
        return refuse(client, request, matches.error());
    }
    context.apps.catalog().check(
        matches->ids,
        [&context, client, request, matches = *matches](
            const std::map<std::string, apps::Catalog::Checked>& checked) {
            Value::Map apps;
            Value::Map notes;
            for (const std::string& id : matches.ids) {
                const apps::Catalog::Checked& one = checked.at(id);
                apps.emplace_back(id, wire::strings(one.obstacles));
                notes.emplace_back(id, wire::strings(one.notes));
            }
            ok(client,
               request,
               Value::Map{{"apps", std::move(apps)},
                          {"notes", std::move(notes)},
                          {"unmatched", wire::strings(matches.unmatched)}});
        });
}

void scale(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::ScaleRequest& args) {
    const auto count = args.count;
    const auto changed = context.apps.catalog().scale(
        args.id,
        static_cast<std::uint32_t>(std::min<std::uint64_t>(count, 1'000'000)),
        {args.actor});
    if (!changed) {
        return refuse(client, request, changed.error());
    }
    ok(client, request, Value::Map{{"changed", wire::strings(*changed)}});
}

}  // namespace berth::control::verbs
