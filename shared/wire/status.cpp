#include "shared/wire/status.h"

namespace berth::wire {

namespace {

Value time_value(const std::optional<WallTime>& time) {
    return time ? to_value(*time) : Value();
}

std::optional<WallTime> optional_time(const Value& value) {
    return value.is_nil() ? std::nullopt : std::optional(to_wall_time(value));
}

template <class T>
std::optional<T> optional_number(const Value& value) {
    return value.is_nil() ? std::nullopt : std::optional(static_cast<T>(value.as_int()));
}

template <class Names, class E>
Result<void> read_enum(const Names& names, const Value& value, E& out) {
    if (value.is_nil()) {
        return {};
    }
    const auto known = names.value(value.as_string());
    if (!known) {
        return fail(ErrorCode::InvalidArgument, "no value is named \"" + value.as_string() + "\"");
    }
    out = *known;
    return {};
}

Value exit_value(const std::optional<ExitStatus>& exit) {
    if (!exit) {
        return {};
    }
    return Value::Array{static_cast<int>(exit->kind), exit->value, exit->core_dumped, exit->cause};
}

std::optional<ExitStatus> read_exit(const Value& value) {
    if (!value.is_array()) {
        return std::nullopt;
    }
    const auto kind = value.at(0).as_uint(2);
    return ExitStatus{kind > 2 ? ExitKind::Unknown : static_cast<ExitKind>(kind),
                      static_cast<int>(value.at(1).as_int()),
                      value.at(2).as_bool(),
                      value.at(3).as_string()};
}

Value limits_value(const std::vector<LimitStatus>& limits) {
    Value::Array values;
    for (const LimitStatus& limit : limits) {
        values.push_back(Value::Array{limit.name, limit.value, limit.by});
    }
    return values;
}

std::vector<LimitStatus> read_limits(const Value& value) {
    std::vector<LimitStatus> limits;
    for (const Value& limit : value.as_array()) {
        limits.push_back(
            {limit.at(0).as_string(), limit.at(1).as_string(), limit.at(2).as_string()});
    }
    return limits;
}

}  // namespace

Value to_value(const MailboxStatus& mailbox) {
    return Value::Map{{"waiting", mailbox.waiting},
                      {"held", mailbox.held},
                      {"bytes", mailbox.bytes},
                      {"received", mailbox.received},
                      {"taken", mailbox.taken},
                      {"redelivered", mailbox.redelivered},
                      {"dead", mailbox.dead},
                      {"in_rate", mailbox.in_rate},
                      {"out_rate", mailbox.out_rate},
                      {"oldest", time_value(mailbox.oldest)}};
}

std::optional<MailboxStatus> to_mailbox_status(const Value& value) {
    if (!value.is_map()) {
        return std::nullopt;
    }
    return MailboxStatus{value["waiting"].as_uint(),
                         value["held"].as_uint(),
                         value["bytes"].as_uint(),
                         value["received"].as_uint(),
                         value["taken"].as_uint(),
                         value["redelivered"].as_uint(),
                         value["dead"].as_uint(),
                         value["in_rate"].as_double(),
                         value["out_rate"].as_double(),
                         optional_time(value["oldest"])};
}

Value to_value(WallTime time) {
    return std::int64_t{time.time_since_epoch().count()};
}

WallTime to_wall_time(const Value& value) {
    return WallTime(Duration(value.as_int()));
}

Value to_value(const AppStatus& s) {
    return Value::Map{
        {"id", s.id},
        {"name", s.name},
        {"comment", s.comment},
        {"state", kAppStateNames.name(s.state)},
        {"desired", kDesiredNames.name(s.desired)},
        {"since", to_value(s.since)},
        {"reason", s.reason},
        {"pid", s.pid ? Value(int{*s.pid}) : Value()},
        {"last_pid", s.last_pid ? Value(int{*s.last_pid}) : Value()},
        {"started", time_value(s.started)},
        {"finished", time_value(s.finished)},
        {"exit", exit_value(s.exit)},
        {"next_try", time_value(s.next_try)},
        {"restarts", s.restarts},
        {"cpu", Value(s.cpu_percent)},
        {"rss", Value(s.rss_bytes)},
        {"processes", Value(s.processes)},
        {"command", s.command},
        {"path", s.path},
        {"descriptor", s.descriptor},
        {"kind", kDescriptorKindNames.name(s.descriptor_kind)},
        {"backend", kBackendTypeNames.name(s.backend)},
        {"backend_id", s.backend_id},
        {"tty", s.tty},
        {"autostart", s.autostart},
        {"tags", strings(s.tags)},
        {"actor", s.actor},
        {"instance_of", s.instance_of},
        {"check", s.check},
        {"said", s.said},
        {"schedule", s.schedule},
        {"descriptor_note", s.descriptor_note},
        {"log_note", s.log_note},
        {"next_run", time_value(s.next_run)},
        {"mailbox", s.mailbox ? to_value(*s.mailbox) : Value()},
        {"changed", s.changed_on_disk},
        {"limits", limits_value(s.limits)},
    };
}

Result<AppStatus> to_app_status(const Value& v) {
    AppStatus s;
    s.id = v["id"].as_string();
    if (s.id.empty()) {
        return fail(ErrorCode::InvalidArgument, "an app without id");
    }
    s.name = v["name"].as_string();
    s.comment = v["comment"].as_string();
    BERTH_CHECK(read_enum(kAppStateNames, v["state"], s.state));
    BERTH_CHECK(read_enum(kDesiredNames, v["desired"], s.desired));
    BERTH_CHECK(read_enum(kDescriptorKindNames, v["kind"], s.descriptor_kind));
    BERTH_CHECK(read_enum(kBackendTypeNames, v["backend"], s.backend));
    s.since = to_wall_time(v["since"]);
    s.reason = v["reason"].as_string();
    s.pid = optional_number<std::int32_t>(v["pid"]);
    s.last_pid = optional_number<std::int32_t>(v["last_pid"]);
    s.started = optional_time(v["started"]);
    s.finished = optional_time(v["finished"]);
    s.exit = read_exit(v["exit"]);
    s.next_try = optional_time(v["next_try"]);
    s.restarts = v["restarts"].as_uint();
    s.cpu_percent = v["cpu"].is_nil() ? std::nullopt : std::optional(v["cpu"].as_double());
    s.rss_bytes = optional_number<std::uint64_t>(v["rss"]);
    s.processes = optional_number<std::uint32_t>(v["processes"]);
    s.command = v["command"].as_string();
    s.path = v["path"].as_string();
    s.descriptor = v["descriptor"].as_string();
    s.backend_id = v["backend_id"].as_string();
    s.tty = v["tty"].as_bool();
    s.autostart = v["autostart"].as_bool();
    s.tags = v["tags"].as_strings();
    s.actor = v["actor"].as_string();
    s.instance_of = v["instance_of"].as_string();
    s.check = v["check"].as_string();
    s.said = v["said"].as_string();
    s.schedule = v["schedule"].as_string();
    s.descriptor_note = v["descriptor_note"].as_string();
    s.log_note = v["log_note"].as_string();
    s.next_run = optional_time(v["next_run"]);
    s.mailbox = to_mailbox_status(v["mailbox"]);
    s.changed_on_disk = v["changed"].as_bool();
    s.limits = read_limits(v["limits"]);
    return s;
}

Value to_value(const AgentInfo& info) {
    return Value::Map{{"name", info.name},
                      {"version", info.version},
                      {"home", info.home},
                      {"host", info.host},
                      {"pid", int{info.pid}},
                      {"keeper_pid", int{info.keeper_pid}},
                      {"started", to_value(info.started)},
                      {"controllers", strings(info.controllers)},
                      {"problem", info.problem},
                      {"complaints", strings(info.complaints)}};
}

AgentInfo to_agent_info(const Value& v) {
    AgentInfo info;
    info.name = v["name"].as_string();
    info.version = v["version"].as_string();
    info.home = v["home"].as_string();
    info.host = v["host"].as_string();
    info.pid = static_cast<std::int32_t>(v["pid"].as_int());
    info.keeper_pid = static_cast<std::int32_t>(v["keeper_pid"].as_int());
    info.started = to_wall_time(v["started"]);
    info.controllers = v["controllers"].as_strings();
    info.problem = v["problem"].as_string();
    info.complaints = v["complaints"].as_strings();
    return info;
}

Value to_value(const Explanation& why) {
    return Value::Map{{"state", kAppStateNames.name(why.state)},
                      {"cause", why.cause},
                      {"since", to_value(why.since)},
                      {"actor", why.actor},
                      {"evidence", strings(why.evidence)},
                      {"lines", strings(why.lines)},
                      {"next", why.next}};
}

Explanation to_explanation(const Value& value) {
    Explanation why;
    why.state = kAppStateNames.value(value["state"].as_string()).value_or(AppState::Stopped);
    why.cause = value["cause"].as_string();
    why.since = to_wall_time(value["since"]);
    why.actor = value["actor"].as_string();
    why.evidence = value["evidence"].as_strings();
    why.lines = value["lines"].as_strings();
    why.next = value["next"].as_string();
    return why;
}

}  // namespace berth::wire
