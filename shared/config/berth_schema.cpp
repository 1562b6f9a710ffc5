#include <algorithm>
#include <array>
#include <string>

#include "shared/base/text.h"
#include "shared/config/schemas.h"

namespace berth::config {

namespace {

// A string that follows `rule`, or "" for none.
template <class Rule>
struct OrEmpty {
    Rule rule;

    Parsed<std::string> operator()(const TreeNode& node) const {
        const bool none = node.kind == NodeKind::String && node.text.empty();
        return none ? Parsed<std::string>(std::string()) : rule(node);
    }
};
template <class Rule>
OrEmpty(Rule) -> OrEmpty<Rule>;

constexpr std::int64_t kMebibyte = 1 << 20;

void read_command(TableReader& app, AppSpec& spec) {
    bool shell = false;
    app.read("shell", shell, Flag{});
    if (shell) {
        app.read("command", spec.command, Filled{});
        spec.argv = {"/bin/sh", "-c", spec.command};
    } else {
        app.read("command", spec.command, Words{});
        spec.argv = split_words(spec.command).value_or(std::vector<std::string>());
    }
    app.at_most_one({"command", "argv"});
    app.at_most_one({"shell", "argv"});
    app.at_most_one({"shell", "module"});
    if (!app.has("argv")) {
        app.need("command", "what to run (or give argv)");
    }
    app.read_list("argv", spec.argv, Text{});
    if (app.has("argv") && (spec.argv.empty() || spec.argv.front().empty())) {
        app.problem("argv", "its first item, the program, is missing");
    }
    if (!app.has("command")) {
        spec.command = join_words(spec.argv);
    }
}

void read_env(TableReader& app, AppSpec& spec) {
    app.read_entries("env", [&](const std::string& name, Position at, const TreeNode& value) {
        if (!is_env_name(name)) {
            app.report().problem(at,
                                 "app.env: " + in_quotes(name) +
                                     " is not letters, digits and _, the first one no digit");
            return;
        }
        app.read_node(value, "app.env." + name, spec.env[name], EnvText{});
    });
}

// "db", or { id = "db", until = "done" }.
Parsed<Requirement> read_requirement(const TreeNode& node, const std::string& own_id) {
    const bool table = node.kind == NodeKind::Table;
    const TreeNode* const name = table ? node.find("id") : &node;
    if (name == nullptr) {
        return tl::unexpected<std::string>("has no id");
    }
    if (name->kind == NodeKind::String && name->text == own_id) {
        return tl::unexpected<std::string>("is the app itself, which cannot wait for itself");
    }
    const Parsed<std::string> id = Id{}(*name);
    if (!id) {
        return tl::unexpected<std::string>(id.error());
    }
    Requirement need{*id, std::nullopt};
    for (const Entry& entry : table ? node.entries : std::vector<Entry>()) {
        if (entry.key == "until") {
            const auto until = OneOf{kUntilNames}(entry.value);
            if (!until) {
                return tl::unexpected<std::string>("has an until that " + until.error());
            }
            need.until = *until;
        } else if (entry.key != "id") {
            return tl::unexpected<std::string>("has the key " + in_quotes(entry.key) +
                                               "; allowed are id, until");
        }
    }
    return need;
}

void read_app(TableReader& app, AppSpec& spec) {
    app.read("id", spec.id, Id{});
    app.need("id", kIdRule);
    app.read("name", spec.name, Text{});
    app.read("comment", spec.comment, Text{});
    read_command(app, spec);
    app.read("cwd", spec.cwd, Filled{});
    read_env(app, spec);
    app.read("env_file", spec.env_file, Text{});
    app.read("user", spec.user, Account{});
    app.read("group", spec.group, Account{});
    app.read("umask", spec.umask, Umask{});
    app.read("nice", spec.nice, Whole{-20, 19});
    app.read("tty", spec.tty, Flag{});
    app.read("autostart", spec.autostart, Flag{});
    app.read_list("requires", spec.requires_apps, [&spec](const TreeNode& node) {
        return read_requirement(node, spec.id);
    });
    app.read("inherit_env", spec.inherit_env, InheritRule{});
    app.read_list("tags", spec.tags, Filled{});
    app.read("module", spec.module, Flag{});
    app.read("type", spec.kind, OneOf{kAppKindNames});
    app.read("instances", spec.instances, Whole{1, 1000});
}

void read_restart(TableReader& table, RestartSpec& restart) {
    table.read("policy", restart.policy, OneOf{kRestartPolicyNames});
    table.read("delay", restart.backoff.delay, DurationText{});
    table.read("factor", restart.backoff.factor, Number{1, 1000});
    if (!table.has("max_delay")) {
        restart.backoff.max_delay = std::max(restart.backoff.max_delay, restart.backoff.delay);
    }
    table.read("max_delay", restart.backoff.max_delay, DurationText{});
    table.read("jitter", restart.backoff.jitter, Number{0, 1});
    table.read("reset_after", restart.reset_after, DurationText{});
    table.read("max_restarts", restart.max_restarts, Whole{0, 1'000'000});
    table.read("window", restart.window, DurationText{std::chrono::seconds(1)});
    table.read_list("success_codes", restart.success_codes, ExitCode{});
    table.read("unknown", restart.unknown, OneOf{kUnknownEndNames});
    if (restart.backoff.max_delay < restart.backoff.delay) {
        table.problem("max_delay", "shorter than restart.delay; it must be at least as long");
    }
}

void read_stop(TableReader& table, StopSpec& stop) {
    table.read("signal", stop.signal, Signal{});
    table.read("timeout", stop.timeout, DurationText{});
    table.read("command", stop.command, Text{});
}

void read_ready(TableReader& table, ReadySpec& ready) {
    table.read("log", ready.log, Regex{});
    table.read("tcp", ready.tcp, OrEmpty{Address{}});
    table.read("http", ready.http, OrEmpty{HttpUrl{}});
    table.read("exec", ready.exec, Text{});
    table.read("notify", ready.notify, Flag{});
    table.read("timeout", ready.timeout, DurationText{std::chrono::milliseconds(1)});
    table.read("settle", ready.settle, DurationText{});
    table.at_most_one({"log", "tcp", "http", "exec", "notify"});
}

void read_health(TableReader& table, HealthSpec& health) {
    table.read("tcp", health.tcp, OrEmpty{Address{}});
    table.read("http", health.http, OrEmpty{HttpUrl{}});
    table.read("exec", health.exec, Text{});
    table.read("interval", health.interval, DurationText{std::chrono::milliseconds(100)});
    table.read("timeout", health.timeout, DurationText{std::chrono::milliseconds(1)});
    table.read("failures", health.failures, Whole{1, 1000});
    table.read("watchdog", health.watchdog, DurationText{});
    table.at_most_one({"tcp", "http", "exec"});
}

void read_limits(TableReader& table, LimitsSpec& limits) {
    table.read("memory", limits.memory_bytes, Size{kMebibyte});
    table.read("cpu", limits.cpus, Number{0.01, 1024});
    table.read("pids", limits.pids, Whole{1, 4'194'304});
    table.read("nofile", limits.nofile, Whole{1, 1'073'741'816});
    table.read("core", limits.core_bytes, Size{});
}

void read_log(TableReader& table, LogSpec& log) {
    table.read("max_size", log.max_size_bytes, Size{1024});
    table.read("max_total", log.max_total_bytes, Size{1024});
    table.read("keep", log.keep, Whole{0, 1000});
    table.read("mixed", log.mixed, Flag{});
}

void read_backend(TableReader& table, AppSpec& spec) {
    table.read("type", spec.backend, OneOf{kBackendTypeNames});
    table.read_list("options", spec.backend_options, Filled{});
    if (!spec.backend_options.empty() && spec.backend != BackendType::Slurm) {
        table.problem("options", "only backend.type \"slurm\" has options");
    }
}

void read_ipc(TableReader& table, IpcSpec& ipc) {
    if (table.has("may_control")) {
        table.read_list("may_control", ipc.may_control.emplace(), Regex{});
    }
    if (table.has("may_notify")) {
        table.read_list("may_notify", ipc.may_notify.emplace(), Regex{});
    }
    if (table.has("redeliver_after")) {
        table.read("redeliver_after",
                   ipc.redeliver_after.emplace(),
                   DurationText{std::chrono::milliseconds(100)});
    }
    table.read("max_attempts", ipc.max_attempts, Whole{0, 1'000'000});
}

// What may not be said together in different tables.
void check_together(TableReader& root, const TreeNode& tree, const AppSpec& spec) {
    const auto at = [&](std::string_view table, std::string_view key) {
        const TreeNode* node = tree.find(table);
        const TreeNode* value = node == nullptr ? nullptr : node->find(key);
        return value == nullptr ? tree.at : value->at;
    };
    if (spec.kind == AppKind::OneShot && spec.restart.policy == RestartPolicy::Always) {
        root.report().problem(
            at("restart", "policy"),
            "restart.policy: \"always\" contradicts app.type \"oneshot\", which is done "
            "when it ends; allowed are never, on-failure");
    }
    if (spec.kind == AppKind::Service && !spec.schedule.cron.empty() &&
        spec.restart.policy == RestartPolicy::Always) {
        root.report().problem(at("restart", "policy"),
                              "restart.policy: \"always\" contradicts schedule.cron, which starts "
                              "it when it is due; allowed are never, on-failure");
    }
    if (spec.instances > 0 && !spec.schedule.cron.empty()) {
        root.report().problem(at("app", "instances"),
                              "app.instances: an app with schedule.cron runs once at a time");
    }
    if (spec.tty && !spec.log.mixed) {
        root.report().problem(
            at("log", "mixed"),
            "log.mixed: false contradicts app.tty, whose terminal has one output only");
    }
}

// Keys of [app] that stand at the top by mistake: what they mean is ignored, so it is said.
void hint_at_app(TableReader& root, const TreeNode& tree) {
    constexpr std::array<std::string_view, 20> kOfApp = {
        "env",  "env_file", "inherit_env", "command", "argv",    "shell",     "cwd",
        "user", "group",    "umask",       "nice",    "tty",     "autostart", "requires",
        "tags", "type",     "instances",   "name",    "comment", "id"};
    for (const Entry& entry : tree.entries) {
        if (std::find(kOfApp.begin(), kOfApp.end(), entry.key) == kOfApp.end()) {
            continue;
        }
        root.ignore(entry.key);
        root.report().warning(
            entry.key_at,
            entry.key + ": has no effect at the top; it belongs to the app: " +
                (entry.value.is_table() ? "[app." + entry.key + "]" : "app." + entry.key));
    }
}

}  // namespace

AppSpec read_berth(const TreeNode& tree, Report& report) {
    AppSpec spec;
    TableReader root(report, tree, "");
    root.need("app", "a table with id and command");
    root.read_table("app", [&](TableReader& table) { read_app(table, spec); });
    root.read_table("restart", [&](TableReader& table) { read_restart(table, spec.restart); });
    root.read_table("stop", [&](TableReader& table) { read_stop(table, spec.stop); });
    root.read_table("ready", [&](TableReader& table) { read_ready(table, spec.ready); });
    root.read_table("health", [&](TableReader& table) { read_health(table, spec.health); });
    root.read_table("limits", [&](TableReader& table) { read_limits(table, spec.limits); });
    root.read_table("log", [&](TableReader& table) { read_log(table, spec.log); });
    root.read_table("schedule", [&](TableReader& table) {
        table.read("cron", spec.schedule.cron, Cron{});
        table.read("timezone", spec.schedule.timezone, TimeZone{});
        table.read("overlap", spec.schedule.overlap, OneOf{kScheduleOverlapNames});
    });
    root.read_table("hooks", [&](TableReader& table) {
        table.read("pre_start", spec.pre_start, Text{});
        table.read("post_stop", spec.post_stop, Text{});
    });
    root.read_table("setup", [&](TableReader& table) {
        table.read_list("steps", spec.setup_steps, Filled{});
        if (!spec.setup_steps.empty()) {
            table.warning("steps", "is read and not acted on yet: run them by hand");
        }
    });
    root.read_table("requirements", [&](TableReader& table) {
        table.read_list("commands", spec.required_commands, Filled{});
        table.read_list("python", spec.required_python, Package{});
        table.read_list("env", spec.required_env, EnvName{});
        table.read("berth", spec.required_berth, Version{});
        if (!spec.required_python.empty()) {
            table.warning("python", "is read and not acted on yet: install them by hand");
        }
        if (!spec.required_berth.empty()) {
            table.warning("berth", "is read and not acted on yet");
        }
    });
    read_config(root, spec.config, ConfigStyle::Strict);
    root.read_table("info", [&](TableReader& table) {
        table.read("author", spec.info.author, Text{});
        table.read("website", spec.info.website, Text{});
        table.read("version", spec.info.version, Text{});
        table.read("license", spec.info.license, Text{});
    });
    root.read_table("ipc", [&](TableReader& table) { read_ipc(table, spec.ipc); });
    root.read_table("backend", [&](TableReader& table) { read_backend(table, spec); });
    check_together(root, tree, spec);
    hint_at_app(root, tree);
    root.finish();
    return spec;
}

}  // namespace berth::config
