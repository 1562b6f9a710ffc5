#include "agent/cli/commands.h"
#include "shared/json/json_writer.h"

// What waits for other agents.
namespace berth::cli {

using wire::Value;

namespace {

WallTime time_of(const Value& ms) {
    return WallTime(std::chrono::milliseconds(ms.as_uint()));
}

void write_outbox(json::JsonWriter& json, const Value& outbox) {
    json.begin_object();
    json.field("agent", outbox["agent"].as_string()).field("state", outbox["state"].as_string());
    json.field("count", outbox["count"].as_uint()).field("bytes", outbox["bytes"].as_uint());
    json.field("in_flight", outbox["in_flight"].as_uint());
    json.field("oldest",
               outbox["oldest_ms"].is_nil()
                   ? std::optional<std::string>()
                   : std::optional(rfc3339_utc(time_of(outbox["oldest_ms"]), 3)));
    json.field("refused", outbox["refused"].as_uint()).field("error", outbox["error"].as_string());
    json.end_object();
}

std::vector<std::string> outbox_row(const Value& outbox, WallTime now) {
    const Value& oldest = outbox["oldest_ms"];
    return {outbox["agent"].as_string(),
            outbox["state"].as_string(),
            std::to_string(outbox["count"].as_uint()),
            size_text(outbox["bytes"].as_uint()),
            oldest.is_nil() ? "-" : short_duration(now - time_of(oldest)),
            std::to_string(outbox["refused"].as_uint()),
            outbox["error"].as_string()};
}

int drop_outbox(Session& session, Client& client, const std::string& agent) {
    const auto info = client.ask("outbox", Value::Map{{"drop", agent}});
    if (!info) {
        return report(info.error());
    }
    const std::uint64_t dropped = (*info)["dropped"].as_uint();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("dropped", dropped).end_object();
        print_json(json);
    } else {
        print("gave up " + std::to_string(dropped) + " messages for " + agent + "\n");
    }
    return dropped == 0 ? kNothing : kDone;
}

}  // namespace

int run_outbox(Session& session) {
    const auto client = session.client(session.agent);
    if (!client) {
        return report(client.error());
    }
    if (session.arguments.has("--drop")) {
        return drop_outbox(session, **client, session.arguments.get("--drop"));
    }
    const auto info = (*client)->ask("outbox", Value::Map{});
    if (!info) {
        return report(info.error());
    }
    json::JsonWriter json;
    json.begin_array();
    std::vector<std::vector<std::string>> rows = {
        {"AGENT", "STATE", "WAITING", "SIZE", "OLDEST", "REFUSED", "LAST ERROR"}};
    for (const Value& outbox : (*info)["agents"].as_array()) {
        write_outbox(json, outbox);
        rows.push_back(outbox_row(outbox, session.loop->now().wall));
    }
    json.end_array();
    if (session.style.json) {
        print_json(json);
    } else if (rows.size() > 1) {
        print(table(rows, {session.style.width, {6, 0}, {5, 3}}));
    } else {
        print("nothing waits for other agents\n");
    }
    return kDone;
}

}  // namespace berth::cli
