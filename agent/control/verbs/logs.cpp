#include <algorithm>

#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "shared/match/patterns.h"
#include "shared/wire/status.h"

namespace berth::control::verbs {

// The requests that may wait for something to happen: log lines and events.

using wire::Value;

namespace {

constexpr std::size_t kMaxLines = 20'000;
constexpr std::int64_t kMaxWaitMs = 60'000;

// Tries it again when the log has grown; at last without waiting.
void wait_for_log(Context& context,
                  const Client& client,
                  const wire::Request& request,
                  const wire::LogsRequest& args,
                  const berth::logs::LogReader& reader) {
    const auto longest = std::chrono::milliseconds(std::min(args.wait_ms, kMaxWaitMs));
    const bool grown = reader.end() != wire::to_log_position(args.position);
    const auto waits = context.waits.for_log(
        client, reader.folder(), longest, grown, [&context, client, request, args](bool last) {
            wire::LogsRequest again = args;
            again.wait_ms = last ? 0 : args.wait_ms;
            verbs::logs(context, client, request, again);
        });
    if (!waits) {
        refuse(client, request, waits.error());
    }
}

bool answer_events(Context& context,
                   const Client& client,
                   const wire::Request& request,
                   const wire::EventsRequest& args,
                   bool last_chance) {
    const auto limit = std::clamp<std::size_t>(args.limit, 1, 1000);
    store::History& history = context.store.history();
    const auto events =
        args.after ? history.events_after(*args.after, limit) : history.last_events(limit);
    if (events.empty() && !last_chance) {
        return false;
    }
    Value::Array values;
    for (const store::EventRow& event : events) {
        values.push_back(event_value(event));
    }
    const std::uint64_t last = events.empty() ? args.after.value_or(0) : events.back().sequence;
    ok(client, request, Value::Map{{"events", std::move(values)}, {"last", last}});
    return true;
}

}  // namespace

void logs(Context& context,
          const Client& client,
          const wire::Request& request,
          const wire::LogsRequest& args) {
    const std::string id = args.id;
    if (context.apps.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    berth::logs::LogQuery query;
    if (!args.whole && args.grep.empty()) {
        query.form = berth::logs::LogForm::Pieces;
    } else if (args.rest) {
        query.form = berth::logs::LogForm::AndRest;
    }
    query.runs = [&context, &id] { return context.apps.run_starts(id); };
    query.max_lines = std::clamp<std::size_t>(args.max_lines, 1, kMaxLines);
    query.stream = args.stream;
    if (!query.stream.empty() && query.stream != "stdout" && query.stream != "stderr") {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "stream must be stdout or stderr", 0});
    }
    if (args.position.is_array()) {
        query.from = wire::to_log_position(args.position);
    } else if (args.tail) {
        query.tail = std::min<std::size_t>(*args.tail, kMaxLines);
        query.max_lines = kMaxLines;
        query.max_bytes = 4U << 20U;
    }
    if (args.since_ns) {
        query.since = WallTime(Duration(*args.since_ns));
    }
    if (args.until_ns) {
        query.until = WallTime(Duration(*args.until_ns));
    }
    if (const std::string grep = args.grep; !grep.empty()) {
        auto filter = match::line_filter(grep);
        if (!filter) {
            return refuse(client, request, filter.error());
        }
        query.matches = std::move(*filter);
    }
    const berth::logs::LogReader reader(context.apps.catalog().log_folder(id));
    const auto batch = reader.read(query);
    if (!batch) {
        return refuse(client, request, batch.error());
    }
    const bool nothing_new = batch->lines.empty() && query.from && batch->next == *query.from;
    if (nothing_new && args.wait_ms > 0 && !context.waits.full()) {
        return wait_for_log(context, client, request, args, reader);
    }
    ok(client, request, wire::to_value(*batch));
}

void events(Context& context,
            const Client& client,
            const wire::Request& request,
            const wire::EventsRequest& args) {
    const std::int64_t wait = std::min(args.wait_ms, kMaxWaitMs);
    const auto attempt = [&context, client, request, args](bool last_chance) {
        return answer_events(context, client, request, args, last_chance);
    };
    const bool at_once = wait <= 0 || context.waits.full();
    if (!attempt(at_once)) {
        context.waits.for_event(client, std::chrono::milliseconds(wait), attempt);
    }
}

}  // namespace berth::control::verbs
