#include "agent/backend/native/launch.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "agent/backend/native/accounts.h"
#include "shared/base/text.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::native {

namespace {

using Environment = std::map<std::string, std::string>;

constexpr std::uint32_t kUmask = 022;  // not that of the shell which started the agent

// Variables that describe an agent to its own helpers and would mislead an app.
bool is_internal(std::string_view name) {
    return name.substr(0, 6) == "BERTH_";
}

void add_entry(Environment& environment, std::string_view entry) {
    const std::size_t equals = entry.find('=');
    if (equals != std::string_view::npos && equals > 0 && !is_internal(entry.substr(0, equals))) {
        environment[std::string(entry.substr(0, equals))] = entry.substr(equals + 1);
    }
}

Environment own_environment() {
    Environment environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        add_entry(environment, *entry);
    }
    return environment;
}

// What every app has of the agent's environment.
constexpr std::array<std::string_view, 6> kForAll = {
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ"};

// As it is declared; else pyTainer's apps and those of a Procfile inherit all, as they always did,
// and the others what the home says.
InheritEnv inherited(const LaunchContext& context, const AppSpec& spec) {
    if (spec.inherit_env) {
        return *spec.inherit_env;
    }
    const bool always =
        spec.descriptor == DescriptorKind::PyTainer || spec.descriptor == DescriptorKind::Procfile;
    return always ? InheritEnv{true, {}} : context.inherit_env;
}

bool is_inherited(std::string_view name, const InheritEnv& inherit) {
    return inherit.all || std::find(kForAll.begin(), kForAll.end(), name) != kForAll.end() ||
           std::find(inherit.names.begin(), inherit.names.end(), name) != inherit.names.end();
}

Environment base_environment(const LaunchContext& context, const LaunchRequest& request) {
    Environment environment;
    for (const std::string& entry : request.environment) {
        add_entry(environment, entry);
    }
    if (environment.empty()) {
        environment = own_environment();
        const InheritEnv inherit = inherited(context, request.spec);
        std::erase_if(environment, [&inherit](const auto& variable) {
            return !is_inherited(variable.first, inherit);
        });
    }
    if (environment.count("PATH") == 0) {
        environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    }
    environment.erase("NOTIFY_SOCKET");  // the agent's own, towards systemd
    return environment;
}

Result<void> set_user(const AppSpec& spec, keeperlink::Start& start, Environment& environment) {
    if (spec.user.empty() && spec.group.empty()) {
        return {};
    }
    start.switch_user = true;
    start.uid = ::geteuid();
    start.gid = ::getegid();
    if (!spec.user.empty()) {
        BERTH_TRY(const Account account, find_account(spec.user));
        if (::geteuid() != 0 && account.uid != ::geteuid()) {
            return fail(
                ErrorCode::PermissionDenied,
                "user \"" + spec.user + "\": only an agent of root can run apps as somebody else");
        }
        start.uid = account.uid;
        start.gid = account.gid;
        environment["HOME"] = account.home;
        environment["USER"] = account.name;
        environment["LOGNAME"] = account.name;
        environment["SHELL"] = account.shell;
        BERTH_TRY(const std::vector<gid_t> groups, groups_of(account));
        for (const gid_t group : groups) {
            start.groups.push_back(std::to_string(group));
        }
    }
    if (!spec.group.empty()) {
        BERTH_TRY(start.gid, find_group(spec.group));
    }
    return {};
}

void set_limits(const LimitsSpec& limits, keeperlink::Start& start) {
    if (limits.nofile) {
        start.limits.push_back({RLIMIT_NOFILE, *limits.nofile});
    }
    if (limits.core_bytes) {
        start.limits.push_back({RLIMIT_CORE, *limits.core_bytes});
    }
    start.memory_max = limits.memory_bytes.value_or(0);
    start.cpu_percent = static_cast<std::uint32_t>(std::lround(limits.cpus.value_or(0) * 100));
    start.pids_max = limits.pids.value_or(0);
}

std::string data_folder(const LaunchContext& context, const std::string& id) {
    return context.home + "/data/" + id;
}

}  // namespace

std::vector<std::string> withheld_variables(const LaunchContext& context,
                                            const LaunchRequest& request) {
    constexpr std::array<std::string_view, 7> kOfShells = {
        "_", "SHLVL", "PWD", "OLDPWD", "SHELL", "TERM", "NOTIFY_SOCKET"};
    std::vector<std::string> names;
    if (!request.environment.empty() || request.spec.inherit_env) {
        return names;  // it is as somebody wants it
    }
    const InheritEnv inherit = inherited(context, request.spec);
    for (const auto& [name, value] : own_environment()) {
        const bool of_shell =
            std::find(kOfShells.begin(), kOfShells.end(), name) != kOfShells.end();
        if (!of_shell && !is_inherited(name, inherit) && request.spec.env.count(name) == 0) {
            names.push_back(name);
        }
    }
    return names;
}

Result<EnvEntries> read_env_file(const AppSpec& spec, const std::string& folder) {
    if (spec.env_file.empty()) {
        return EnvEntries();
    }
    const std::string path = os::absolute_path(spec.env_file, folder);
    // A Procfile's .env is found, not named: it is optional, and not followed out of its folder.
    const bool optional = spec.descriptor == DescriptorKind::Procfile;
    const auto text = optional ? os::read_file_beneath(folder, spec.env_file, 1U << 20U)
                               : os::read_file(path, 1U << 20U);
    if (!text) {
        return optional && text.error().code == ErrorCode::NotFound
                   ? Result<EnvEntries>(EnvEntries())
                   : fail(text.error().within("env_file"));
    }
    return parse_env_file(path, *text);
}

namespace {

// A Procfile's apps have ports one after the other; PORT in their .env is where they begin.
void set_port(const EnvEntries& entries, Environment& environment) {
    constexpr int kFirstPort = 5000;
    constexpr int kLastPort = 65535;
    const int own = parse_integer<int>(environment["PORT"]).value_or(kFirstPort);
    for (const auto& [name, value] : entries) {
        const int base = name == "PORT" ? parse_integer<int>(value).value_or(0) : 0;
        const int port = base + own - kFirstPort;
        if (base > 0 && port <= kLastPort) {
            environment["PORT"] = std::to_string(port);
        }
    }
}

// What runs a module, in a process of its own: a shared library, see sdk/cpp/berth/module.h, or a
// Python file with pytainer_init().
Result<std::vector<std::string>> module_host(const LaunchContext& context, const AppSpec& spec) {
    constexpr std::string_view kLibrary = ".so";
    const std::string_view file = spec.argv.empty() ? "" : std::string_view(spec.argv.front());
    if (file.size() > kLibrary.size() && file.substr(file.size() - kLibrary.size()) == kLibrary) {
        BERTH_TRY(std::string host, os::sibling_executable("berth-module-host"));
        return std::vector<std::string>{std::move(host)};
    }
    return std::vector<std::string>{"python3", "-u", context.python_path + "/berth_module_host.py"};
}

}  // namespace

Result<keeperlink::Start> plan_launch(const LaunchContext& context, const LaunchRequest& request) {
    const AppSpec& spec = request.spec;
    keeperlink::Start start;
    start.run = {spec.id, request.generation};
    start.argv = spec.argv;
    if (spec.module) {
        BERTH_TRY(const auto host, module_host(context, spec));
        start.argv.insert(start.argv.begin(), host.begin(), host.end());
    }
    start.cwd = os::absolute_path(spec.cwd, request.folder);
    start.has_umask = true;
    start.umask = spec.umask.value_or(kUmask);
    start.nice = spec.nice;
    start.tty = spec.tty;
    start.log_max_size = spec.log.max_size_bytes;
    start.log_keep = spec.log.keep;
    start.pre_start = spec.pre_start;
    start.notify = spec.ready.notify || spec.health.watchdog > Duration::zero();
    start.log_max_total = spec.log.max_total_bytes;

    Environment environment = base_environment(context, request);
    environment.emplace("PYTHONUNBUFFERED",
                        "1");  // its output is a pipe: lines would come in blocks
    if (spec.tty) {
        environment["TERM"] = "xterm-256color";
    }
    BERTH_CHECK(set_user(spec, start, environment));
    BERTH_TRY(const EnvEntries entries, read_env_file(spec, request.folder));
    for (const auto& [name, value] : entries) {
        environment[name] = value;
    }
    for (const auto& [name, value] : spec.env) {
        environment[name] = value;
    }
    if (spec.descriptor == DescriptorKind::Procfile) {
        set_port(entries, environment);
    }
    if (const std::size_t agents = context.home.rfind("/agents/"); agents != std::string::npos) {
        environment["BERTH_HOME"] = context.home.substr(0, agents);  // for `berth` in scripts
    }
    if (auto self = os::sibling_executable("berth")) {
        environment["PATH"] += ":" + self->substr(0, self->rfind('/'));
    }
    environment["BERTH_APP"] = spec.id;
    environment["BERTH_AGENT"] = context.agent;
    environment["BERTH_HOME_DIR"] = data_folder(context, spec.id);
    if (spec.instance > 0) {
        environment["BERTH_INSTANCE"] = std::to_string(spec.instance);
    }
    if (spec.health.watchdog > Duration::zero()) {
        environment["WATCHDOG_USEC"] = std::to_string(
            std::chrono::duration_cast<std::chrono::microseconds>(spec.health.watchdog).count());
    }
    if (context.ipc) {
        for (const auto& [name, value] : context.ipc(spec)) {
            environment[name] = value;
        }
    }
    if (!context.python_path.empty()) {
        std::string& path = environment["PYTHONPATH"];
        path += (path.empty() ? "" : ":") + context.python_path;
    }
    for (const auto& [name, value] : environment) {
        start.environment.push_back(name + "=" + value);
    }
    set_limits(spec.limits, start);
    return start;
}

namespace {

// Lets apps of other users get to what is theirs in the home.
Result<void> open_home(const std::string& home, const std::string& runtime) {
    std::vector<std::string> folders = {
        home, runtime, home + "/data", home + "/secrets", home + "/tmp"};
    if (const std::size_t agents = home.rfind("/agents/"); agents != std::string::npos) {
        folders.push_back(home.substr(0, agents));
        folders.push_back(home.substr(0, home.rfind('/')));
    }
    for (const std::string& folder : folders) {
        if (os::exists(folder)) {
            BERTH_CHECK(os::let_pass(folder));
        }
    }
    return {};
}

}  // namespace

Result<void> prepare_launch(const LaunchContext& context,
                            const AppSpec& spec,
                            const keeperlink::Start& start) {
    std::vector<std::string> files;
    if (context.ipc_files) {
        BERTH_TRY(files, context.ipc_files(spec));
    }
    files.push_back(data_folder(context, start.run.id));
    BERTH_CHECK(os::make_folders(files.back()));
    if (!start.switch_user || ::geteuid() != 0) {
        return {};
    }
    BERTH_CHECK(open_home(context.home, context.runtime));
    for (const std::string& file : files) {
        if (::chown(file.c_str(), start.uid, start.gid) != 0) {
            return fail(os::last_error(file));
        }
    }
    return {};
}

Result<keeperlink::Start> plan_line(const LaunchContext& context,
                                    const LaunchRequest& request,
                                    const std::string& line) {
    BERTH_TRY(keeperlink::Start start, plan_launch(context, request));
    start.argv = {"/bin/sh", "-c", line};
    start.pre_start.clear();
    start.notify = false;
    start.tty = false;
    return start;
}

}  // namespace berth::native
