#include "controller/face/fleet_json.h"

#include "shared/json/app_json.h"

namespace berth::face {

namespace {

void write_time(json::JsonWriter& json,
                std::string_view name,
                const std::optional<WallTime>& time) {
    json.key(name);
    if (time) {
        json.value(api_time(*time));
    } else {
        json.null();
    }
}

// What is not known yet is null, not "".
void write_known(json::JsonWriter& json, std::string_view name, const std::string& text) {
    json.key(name);
    if (text.empty()) {
        json.null();
    } else {
        json.value(text);
    }
}

}  // namespace

std::string api_time(WallTime time) {
    return rfc3339_utc(time, 3);
}

void write_agent(json::JsonWriter& json, const fleet::AgentView& agent) {
    const AgentInfo info = agent.info.value_or(AgentInfo{});
    json.field("name", agent.name).field("endpoint", agent.endpoint).field("local", agent.local);
    json.field("state", fleet::kLinkStateNames.name(agent.state))
        .field("since", api_time(agent.since));
    write_time(json, "last_seen", agent.last_seen);
    write_known(json, "error", agent.error);
    write_known(json, "version", info.version);
    write_known(json, "host", info.host);
    write_known(json, "home", info.home);
    json.field("pid", agent.info ? std::optional(info.pid) : std::nullopt);
    json.field("apps", agent.apps);
}

void write_app(json::JsonWriter& json, const AppStatus& s, bool stale) {
    json::write_app_members(json, s);
    json.field("stale", stale);
}

fleet::Rendering fleet_rendering() {
    return {[](const fleet::AgentView& agent) {
                json::JsonWriter json;
                json.begin_object();
                write_agent(json, agent);
                return json.end_object().take();
            },
            [](const AppStatus& status, bool stale) {
                json::JsonWriter json;
                json.begin_object();
                write_app(json, status, stale);
                return json.end_object().take();
            }};
}

}  // namespace berth::face
