#include "controller/fleet/fleet_view.h"

namespace berth::fleet {

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

void write_exit(json::JsonWriter& json, const std::optional<ExitStatus>& exit) {
    json.key("exit_code");
    if (exit && exit->kind == ExitKind::Code) {
        json.value(exit->value);
    } else {
        json.null();
    }
    json.key("signal");
    if (exit && exit->kind == ExitKind::Signal) {
        json.value(signal_name(exit->value));
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

std::string app_key(const std::string& agent, const std::string& id) {
    return agent + '/' + id;
}

std::string api_time(WallTime time) {
    return rfc3339_utc(time, 3);
}

void write_agent(json::JsonWriter& json, const AgentView& agent) {
    const AgentInfo info = agent.info.value_or(AgentInfo{});
    json.field("name", agent.name).field("endpoint", agent.endpoint).field("local", agent.local);
    json.field("state", kLinkStateNames.name(agent.state)).field("since", api_time(agent.since));
    write_time(json, "last_seen", agent.last_seen);
    write_known(json, "error", agent.error);
    write_known(json, "version", info.version);
    write_known(json, "host", info.host);
    write_known(json, "home", info.home);
    json.field("pid", agent.info ? std::optional(info.pid) : std::nullopt);
    json.field("apps", agent.apps);
}

void write_app(json::JsonWriter& json, const AppStatus& s, bool stale) {
    json.field("id", s.id)
        .field("agent", s.agent)
        .field("name", s.name)
        .field("comment", s.comment);
    json.field("state", kAppStateNames.name(s.state)).field("active", is_active(s.state));
    json.field("desired", kDesiredNames.name(s.desired)).field("reason", s.reason);
    json.field("since", api_time(s.since)).field("pid", s.pid);
    write_exit(json, s.exit);
    write_time(json, "started", s.started);
    write_time(json, "finished", s.finished);
    write_time(json, "next_try", s.next_try);
    json.field("restarts", s.restarts).field("cpu_percent", s.cpu_percent);
    json.field("rss_bytes", s.rss_bytes).field("processes", s.processes);
    json.field("command", s.command).field("path", s.path).field("descriptor", s.descriptor);
    json.field("backend", kBackendTypeNames.name(s.backend)).field("backend_id", s.backend_id);
    json.field("tty", s.tty).field("tags", s.tags);
    json.field("stale", stale).field("changed_on_disk", s.changed_on_disk);
}

}  // namespace berth::fleet
