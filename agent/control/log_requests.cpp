#include <algorithm>

#include "agent/control/replies.h"
#include "agent/control/server.h"
#include "shared/match/patterns.h"
#include "shared/wire/status.h"

namespace berth::control {

// The requests that may wait for something to happen: log lines and events.

using wire::Value;

namespace {

constexpr std::size_t kMaxLines = 20'000;
constexpr std::size_t kMaxWaiting = 4096;
constexpr std::int64_t kMaxWaitMs = 60'000;

}  // namespace

Value event_value(const store::EventRow& event) {
    return Value::Map{{"seq", event.sequence},
                      {"time", wire::to_value(event.time)},
                      {"app", event.app},
                      {"state", kAppStateNames.name(event.state)},
                      {"text", event.text}};
}

Error no_app(const std::string& id) {
    return {ErrorCode::NotFound, "no app has the id \"" + id + "\"", 0};
}

void Server::on_logs(const Client& client, const wire::Request& request) {
    const Value& args = request.args;
    const std::string id = args["id"].as_string();
    if (apps_.find(id) == nullptr) {
        return refuse(client, request, no_app(id));
    }
    logs::LogQuery query;
    if (!args["whole"].as_bool() && args["grep"].as_string().empty()) {
        query.form = logs::LogForm::Pieces;
    } else if (args["rest"].as_bool()) {
        query.form = logs::LogForm::AndRest;
    }
    query.runs = [this, &id] { return apps_.run_starts(id); };
    query.max_lines = std::clamp<std::size_t>(args["max_lines"].as_uint(1000), 1, kMaxLines);
    query.stream = args["stream"].as_string();
    if (!query.stream.empty() && query.stream != "stdout" && query.stream != "stderr") {
        return refuse(
            client, request, {ErrorCode::InvalidArgument, "stream must be stdout or stderr", 0});
    }
    if (args["position"].is_array()) {
        query.from = wire::to_log_position(args["position"]);
    } else if (!args["tail"].is_nil()) {
        query.tail = std::min<std::size_t>(args["tail"].as_uint(), kMaxLines);
        query.max_lines = kMaxLines;
        query.max_bytes = 4U << 20U;
    }
    if (!args["since_ns"].is_nil()) {
        query.since = wire::to_wall_time(args["since_ns"]);
    }
    if (!args["until_ns"].is_nil()) {
        query.until = wire::to_wall_time(args["until_ns"]);
    }
    if (const std::string grep = args["grep"].as_string(); !grep.empty()) {
        auto filter = match::line_filter(grep);
        if (!filter) {
            return refuse(client, request, filter.error());
        }
        query.matches = std::move(*filter);
    }
    const logs::LogReader reader(apps_.catalog().log_folder(id));
    const auto batch = reader.read(query);
    if (!batch) {
        return refuse(client, request, batch.error());
    }
    const bool nothing_new = batch->lines.empty() && query.from && batch->next == *query.from;
    if (nothing_new && args["wait_ms"].as_int() > 0 && waiting_.size() < kMaxWaiting) {
        return wait_for_log(client, request, reader.folder());
    }
    ok(client, request, wire::to_value(*batch));
}

void Server::wait_for_log(const Client& client,
                          const wire::Request& request,
                          const std::string& folder) {
    const std::uint64_t number = next_waiting_++;
    const auto again = [this, number](bool last_chance) {
        const auto found = waiting_.find(number);
        if (found == waiting_.end()) {
            return;
        }
        Waiting waiting = std::move(found->second);
        waiting_.erase(found);
        log_watch_->cancel(waiting.log_waiter);
        waiting.timeout.reset();
        if (last_chance) {
            Value::Map args = waiting.request.args.as_map();
            std::erase_if(args, [](const auto& member) { return member.first == "wait_ms"; });
            waiting.request.args = std::move(args);
        }
        on_logs(waiting.client, waiting.request);
    };
    const auto waiter = log_watch_->wait(folder, [again] { again(/*last_chance=*/false); });
    if (!waiter) {
        return refuse(client, request, waiter.error());
    }
    const auto wait =
        std::chrono::milliseconds(std::min(request.args["wait_ms"].as_int(), kMaxWaitMs));
    Waiting waiting{client, request, *waiter, {}};
    waiting.timeout = loop_.after(wait, [again] { again(/*last_chance=*/true); });
    waiting_.emplace(number, std::move(waiting));
    // Something may have been written between the reading and the watch.
    logs::LogQuery query;
    query.from = wire::to_log_position(request.args["position"]);
    const logs::LogReader reader(folder);
    if (reader.end() != *query.from) {
        loop_.post([again] { again(/*last_chance=*/false); });
    }
}

bool Server::answer_events(const Client& client, const wire::Request& request, bool last_chance) {
    const Value& args = request.args;
    const auto limit = std::clamp<std::size_t>(args["limit"].as_uint(100), 1, 1000);
    const auto events = args["after"].is_nil()
                            ? store_.history().last_events(limit)
                            : store_.history().events_after(args["after"].as_uint(), limit);
    if (events.empty() && !last_chance) {
        return false;
    }
    Value::Array values;
    for (const store::EventRow& event : events) {
        values.push_back(event_value(event));
    }
    const std::uint64_t last = events.empty() ? args["after"].as_uint() : events.back().sequence;
    ok(client, request, Value::Map{{"events", std::move(values)}, {"last", last}});
    return true;
}

void Server::on_events(const Client& client, const wire::Request& request) {
    const std::int64_t wait = std::min(request.args["wait_ms"].as_int(), kMaxWaitMs);
    const bool at_once = wait <= 0 || waiting_.size() >= kMaxWaiting;
    if (answer_events(client, request, at_once)) {
        return;
    }
    const std::uint64_t number = next_waiting_++;
    Waiting waiting{client, request, 0, {}};
    waiting.timeout = loop_.after(std::chrono::milliseconds(wait), [this, number] {
        const auto found = waiting_.find(number);
        if (found != waiting_.end()) {
            (void)answer_events(found->second.client, found->second.request, /*last_chance=*/true);
            waiting_.erase(found);
        }
    });
    waiting_.emplace(number, std::move(waiting));
}

}  // namespace berth::control
