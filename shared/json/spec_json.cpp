#include "shared/json/spec_json.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "shared/base/secrets.h"
#include "shared/model/app_status.h"

namespace berth::json {

namespace {

void write_app(JsonWriter& json, const AppSpec& spec) {
    json.key("app").begin_object();
    json.field("id", spec.id).field("name", spec.name).field("comment", spec.comment);
    json.field("command", spec.command).field("argv", spec.argv).field("cwd", spec.cwd);
    json.key("env").begin_object();
    for (const auto& [name, value] : spec.env) {
        json.field(name, value);
    }
    json.end_object();
    json.field("env_file", spec.env_file).field("user", spec.user).field("group", spec.group);
    json.key("umask");
    spec.umask ? json.value(fmt::format("{:03o}", *spec.umask)) : json.null();
    json.field("nice", spec.nice).field("tty", spec.tty).field("autostart", spec.autostart);
    if (spec.instances > 0) {
        json.field("instances", spec.instances);
    }
    json.key("requires").begin_array();
    for (const Requirement& need : spec.requires_apps) {
        if (need.until) {
            json.begin_object().field("id", need.id).field("until", kUntilNames.name(*need.until));
            json.end_object();
        } else {
            json.value(need.id);
        }
    }
    json.end_array();
    if (spec.inherit_env && !spec.inherit_env->all && !spec.inherit_env->names.empty()) {
        json.field("inherit_env", spec.inherit_env->names);
    } else if (spec.inherit_env) {
        json.field("inherit_env", spec.inherit_env->all);
    }
    json.field("tags", spec.tags).field("module", spec.module);
    json.field("type", kAppKindNames.name(spec.kind)).end_object();
}

void write_restart(JsonWriter& json, const RestartSpec& restart) {
    json.key("restart").begin_object();
    json.field("policy", kRestartPolicyNames.name(restart.policy));
    json.field("delay", duration_text(restart.backoff.delay))
        .field("factor", restart.backoff.factor);
    json.field("max_delay", duration_text(restart.backoff.max_delay));
    json.field("jitter", restart.backoff.jitter);
    json.field("reset_after", duration_text(restart.reset_after));
    json.field("max_restarts", restart.max_restarts).field("window", duration_text(restart.window));
    json.key("success_codes").begin_array();
    for (const int code : restart.success_codes) {
        code < 0 ? json.value(signal_name(-code)) : json.value(code);
    }
    json.end_array();
    if (restart.unknown) {
        json.field("unknown", kUnknownEndNames.name(*restart.unknown));
    }
    json.end_object();
}

void write_stop(JsonWriter& json, const StopSpec& stop) {
    json.key("stop").begin_object();
    json.field("signal", signal_name(stop.signal)).field("timeout", duration_text(stop.timeout));
    json.field("command", stop.command).end_object();
}

void write_checks(JsonWriter& json, const ReadySpec& ready, const HealthSpec& health) {
    json.key("ready").begin_object();
    json.field("log", ready.log).field("tcp", ready.tcp).field("http", ready.http);
    json.field("exec", ready.exec).field("notify", ready.notify);
    json.field("timeout", duration_text(ready.timeout));
    json.field("settle", duration_text(ready.settle)).end_object();

    json.key("health").begin_object();
    json.field("tcp", health.tcp).field("http", health.http).field("exec", health.exec);
    json.field("interval", duration_text(health.interval));
    json.field("timeout", duration_text(health.timeout)).field("failures", health.failures);
    json.field("watchdog", duration_text(health.watchdog));
    json.end_object();
}

void write_limits(JsonWriter& json, const AppSpec& spec) {
    json.key("limits").begin_object();
    json.field("memory", spec.limits.memory_bytes).field("cpu", spec.limits.cpus);
    json.field("pids", spec.limits.pids).field("nofile", spec.limits.nofile);
    json.field("core", spec.limits.core_bytes).end_object();

    json.key("log").begin_object();
    json.field("max_size", spec.log.max_size_bytes).field("keep", spec.log.keep);
    if (spec.log.max_total_bytes > 0) {
        json.field("max_total", spec.log.max_total_bytes);
    }
    json.field("mixed", spec.log.mixed).end_object();
}

void write_config(JsonWriter& json, const std::vector<ConfigVariable>& variables) {
    json.key("config").begin_object();
    for (const ConfigVariable& variable : variables) {
        const bool masked = variable.type == ConfigType::Secret && !variable.value.empty();
        json.key(variable.name).begin_object();
        json.field("title", variable.title).field("description", variable.description);
        json.field("type", kConfigTypeNames.name(variable.type));
        json.field("value", masked ? kMaskedSecret : std::string_view(variable.value));
        json.field("min", variable.min).field("max", variable.max);
        json.field("choices", variable.choices).end_object();
    }
    json.end_object();
}

void write_rest(JsonWriter& json, const AppSpec& spec) {
    json.key("schedule").begin_object().field("cron", spec.schedule.cron);
    json.field("timezone", spec.schedule.timezone);
    json.field("overlap", kScheduleOverlapNames.name(spec.schedule.overlap)).end_object();
    json.key("hooks").begin_object().field("pre_start", spec.pre_start);
    json.field("post_stop", spec.post_stop).end_object();
    json.key("setup").begin_object().field("steps", spec.setup_steps).end_object();
    json.key("requirements").begin_object().field("commands", spec.required_commands);
    json.field("env", spec.required_env)
        .field("python", spec.required_python)
        .field("berth", spec.required_berth);
    json.field("pytainerversion", spec.required_pytainer).end_object();
    write_config(json, spec.config);
    if (spec.ipc != IpcSpec()) {
        json.key("ipc").begin_object().field("may_control", spec.ipc.may_control);
        json.field("may_notify", spec.ipc.may_notify);
        if (spec.ipc.redeliver_after) {
            json.field("redeliver_after", duration_text(*spec.ipc.redeliver_after));
        }
        json.field("max_attempts", spec.ipc.max_attempts).end_object();
    }
    json.key("info").begin_object().field("author", spec.info.author);
    json.field("website", spec.info.website).field("version", spec.info.version);
    json.field("license", spec.info.license).end_object();
    json.key("backend").begin_object().field("type", kBackendTypeNames.name(spec.backend));
    json.field("options", spec.backend_options).end_object();
}

// The same with what looks like a secret masked, wherever a descriptor has free text.
AppSpec masked(AppSpec spec) {
    for (auto& [name, value] : spec.env) {
        value = shown_value(name, value);
    }
    for (ConfigVariable& variable : spec.config) {
        variable.value = shown_value(variable.name, variable.value);
    }
    for (auto* const words : {&spec.argv, &spec.setup_steps, &spec.backend_options}) {
        *words = without_secrets(*words);
    }
    for (std::string* const text : {&spec.comment,
                                    &spec.command,
                                    &spec.pre_start,
                                    &spec.post_stop,
                                    &spec.stop.command,
                                    &spec.ready.http,
                                    &spec.ready.exec,
                                    &spec.health.http,
                                    &spec.health.exec}) {
        *text = without_secrets(*text);
    }
    return spec;
}

}  // namespace

std::string duration_text(Duration duration) {
    constexpr std::int64_t kMillisecond = 1'000'000;
    constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> kUnits = {
        {{3600'000 * kMillisecond, "h"},
         {60'000 * kMillisecond, "m"},
         {1000 * kMillisecond, "s"},
         {kMillisecond, "ms"}}};
    if (duration.count() == 0) {
        return "0s";
    }
    for (const auto& [length, unit] : kUnits) {
        if (duration.count() % length == 0) {
            return fmt::format("{}{}", duration.count() / length, unit);
        }
    }
    return fmt::format("{}ms",
                       static_cast<double>(duration.count()) / static_cast<double>(kMillisecond));
}

void write_spec(JsonWriter& json, const AppSpec& spec, Secrets secrets) {
    if (secrets == Secrets::Masked) {
        return write_spec(json, masked(spec), Secrets::Shown);
    }
    json.begin_object();
    json.field("descriptor", kDescriptorKindNames.name(spec.descriptor));
    write_app(json, spec);
    write_restart(json, spec.restart);
    write_stop(json, spec.stop);
    write_checks(json, spec.ready, spec.health);
    write_limits(json, spec);
    write_rest(json, spec);
    json.end_object();
}

}  // namespace berth::json
