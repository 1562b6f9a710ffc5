#include "agent/backend/launch.h"

#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "shared/base/text.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::backend {

namespace {

using Environment = std::map<std::string, std::string>;

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

Environment base_environment(const std::vector<std::string>& loaded) {
    Environment environment;
    if (loaded.empty()) {
        for (char** entry = environ; *entry != nullptr; ++entry) {
            add_entry(environment, *entry);
        }
    }
    for (const std::string& entry : loaded) {
        add_entry(environment, entry);
    }
    if (environment.count("PATH") == 0) {
        environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    }
    environment.erase("NOTIFY_SOCKET");  // the agent's own, towards systemd
    return environment;
}

struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
    std::string home;
    std::string shell;
};

std::optional<unsigned> numeric(const std::string& text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                    : std::nullopt;
}

Result<Account> find_account(const std::string& user) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    const auto id = numeric(user);
    const int error = id ? ::getpwuid_r(*id, &entry, buffer.data(), buffer.size(), &found)
                         : ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(ErrorCode::NotFound,
                    "user \"" + user + "\" does not exist" +
                        (error != 0 ? ": " + os::error_text(error) : ""));
    }
    return Account{entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell};
}

Result<gid_t> find_group(const std::string& group) {
    if (const auto id = numeric(group)) {
        return *id;
    }
    std::array<char, 16384> buffer{};

    struct group entry {};
    struct group* found = nullptr;
    (void)::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(ErrorCode::NotFound, "group \"" + group + "\" does not exist");
    }
    return entry.gr_gid;
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
        std::array<gid_t, 256> groups{};
        int count = static_cast<int>(groups.size());
        if (::getgrouplist(account.name.c_str(), account.gid, groups.data(), &count) < 0) {
            return fail(ErrorCode::TooLarge,
                        "user \"" + spec.user + "\" is in more than 256 groups");
        }
        for (int i = 0; i < count; ++i) {
            start.groups.push_back(std::to_string(groups.at(static_cast<std::size_t>(i))));
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
}

Result<void> add_env_file(const AppSpec& spec,
                          const std::string& folder,
                          Environment& environment) {
    if (spec.env_file.empty()) {
        return {};
    }
    const std::string path = os::absolute_path(spec.env_file, folder);
    const auto text = os::read_file(path, 1U << 20U);
    if (!text) {
        // A Procfile's .env is optional; one that a descriptor names is not.
        const bool optional = spec.descriptor == DescriptorKind::Procfile;
        return optional && text.error().code == ErrorCode::NotFound
                   ? Result<void>()
                   : fail(text.error().within("env_file"));
    }
    BERTH_TRY(const auto entries, parse_env_file(path, *text));
    for (const auto& [name, value] : entries) {
        environment[name] = value;
    }
    return {};
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> parse_env_file(const std::string& file,
                                                                        std::string_view text) {
    std::vector<std::pair<std::string, std::string>> entries;
    int number = 0;
    for (const std::string_view raw : split(text, '\n')) {
        ++number;
        std::string_view line = trim(raw);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        if (line.substr(0, 7) == "export ") {
            line = trim(line.substr(7));
        }
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail(ErrorCode::InvalidArgument,
                        file + ":" + std::to_string(number) + ": NAME=VALUE is expected");
        }
        std::string_view value = trim(line.substr(equals + 1));
        const bool quoted = value.size() >= 2 && value.front() == value.back() &&
                            (value.front() == '"' || value.front() == '\'');
        if (quoted) {
            value = value.substr(1, value.size() - 2);
        }
        entries.emplace_back(trim(line.substr(0, equals)), value);
    }
    return entries;
}

Result<keeperlink::Start> plan_launch(const LaunchContext& context, const LaunchRequest& request) {
    const AppSpec& spec = request.spec;
    keeperlink::Start start;
    start.run = {spec.id, request.generation};
    start.argv = spec.argv;
    if (spec.module) {
        // A Python file with pytainer_init(), in a process of its own.
        start.argv.insert(start.argv.begin(),
                          {"python3", "-u", context.python_path + "/berth_module_host.py"});
    }
    start.cwd = os::absolute_path(spec.cwd, request.folder);
    start.has_umask = spec.umask.has_value();
    start.umask = spec.umask.value_or(0);
    start.nice = spec.nice;
    start.tty = spec.tty;
    start.log_max_size = spec.log.max_size_bytes;
    start.log_keep = spec.log.keep;

    Environment environment = base_environment(request.environment);
    environment.emplace("PYTHONUNBUFFERED",
                        "1");  // its output is a pipe: lines would come in blocks
    if (spec.tty) {
        environment["TERM"] = "xterm-256color";
    }
    BERTH_CHECK(set_user(spec, start, environment));
    BERTH_CHECK(add_env_file(spec, request.folder, environment));
    for (const auto& [name, value] : spec.env) {
        environment[name] = value;
    }
    if (const std::size_t agents = context.home.rfind("/agents/"); agents != std::string::npos) {
        environment["BERTH_HOME"] = context.home.substr(0, agents);  // for `berth` in scripts
    }
    if (auto self = os::sibling_executable("berth")) {
        environment["PATH"] += ":" + self->substr(0, self->rfind('/'));
    }
    const std::string data = context.home + "/data/" + spec.id;
    BERTH_CHECK(os::make_folders(data));
    if (start.switch_user && ::geteuid() == 0 && ::chown(data.c_str(), start.uid, start.gid) != 0) {
        return fail(os::last_error(data));
    }
    environment["BERTH_APP"] = spec.id;
    environment["BERTH_AGENT"] = context.agent;
    environment["BERTH_HOME_DIR"] = data;
    if (context.ipc) {
        BERTH_TRY(const LaunchContext::Variables variables, context.ipc(spec));
        for (const auto& [name, value] : variables) {
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

}  // namespace berth::backend
