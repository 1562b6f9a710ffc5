#include "agent/backend/native/preflight.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "agent/backend/native/accounts.h"
#include "agent/backend/native/listeners.h"
#include "shared/base/text.h"
#include "shared/os/file.h"

namespace berth::native {

namespace {

// As whom the app would run.
struct Identity {
    uid_t uid = 0;
    std::vector<gid_t> groups;
    std::string name;  // for messages; empty: as we do
};

class Inspection {
public:
    Inspection(const LaunchContext& context, const LaunchRequest& request)
        : context_(context), request_(request), spec_(request.spec) {}

    Preflight run() {
        look_at_user();
        look_at_environment();
        look_at_folder();
        if (start_) {
            look_at_command(start_->argv.front());  // a module's is its host
        } else if (!spec_.argv.empty() && !spec_.module) {
            look_at_command(spec_.argv.front());
        }
        if (spec_.module && !spec_.argv.empty() && !folder_.empty()) {
            look_at_module(os::absolute_path(spec_.argv.front(), folder_));
        }
        for (const std::string& command : spec_.required_commands) {
            if (!find_command(command)) {
                add("it requires the command \"" + command + "\", which is not in its PATH");
            }
        }
        for (const std::string& name : spec_.required_env) {
            const auto found = environment_.find(name);
            if (found == environment_.end() || found->second.empty()) {
                add("it requires the variable " + name + ", which is not set");
            }
        }
        look_at_port();
        if (!obstacles_.empty()) {
            start_.reset();
        }
        return {std::move(obstacles_), std::move(start_)};
    }

private:
    void add(std::string text, bool may_pass = false) {
        obstacles_.push_back({std::move(text), may_pass});
    }

    void look_at_user() {
        identity_.uid = ::geteuid();
        identity_.groups = {::getegid()};
        if (!spec_.user.empty()) {
            const auto account = find_account(spec_.user);
            if (!account) {
                bad_user_ = true;
                return add(account.error().message);
            }
            if (::geteuid() != 0 && account->uid != ::geteuid()) {
                bad_user_ = true;
                return add("user \"" + spec_.user +
                           "\": only an agent of root can run apps as somebody else");
            }
            identity_.uid = account->uid;
            identity_.name = account->name;
            if (const auto groups = groups_of(*account)) {
                identity_.groups = *groups;
            }
        }
        if (!spec_.group.empty()) {
            const auto group = find_group(spec_.group);
            bad_user_ = !group;
            group ? identity_.groups.push_back(*group) : add(group.error().message);
        }
    }

    void look_at_environment() {
        AppSpec plain = spec_;
        if (bad_user_) {  // said already
            plain.user.clear();
            plain.group.clear();
        }
        if (const auto entries = read_env_file(spec_, request_.folder); !entries) {
            add(entries.error().message);
            plain.env_file.clear();
        }
        auto start = plan_launch(
            context_, {plain, request_.folder, request_.environment, request_.generation});
        if (!start) {
            return add(start.error().message);
        }
        start_ = std::move(*start);
        folder_ = start_->cwd;
        for (const std::string& entry : start_->environment) {
            const std::size_t equals = entry.find('=');
            environment_[entry.substr(0, equals)] = entry.substr(equals + 1);
        }
    }

    [[nodiscard]] bool may(const struct stat& info, unsigned bit) const {
        if (identity_.uid == 0) {
            return S_ISDIR(info.st_mode) || (info.st_mode & 0111U) != 0;
        }
        if (info.st_uid == identity_.uid) {
            return (info.st_mode & (bit << 6U)) != 0;
        }
        const bool in_group =
            std::find(identity_.groups.begin(), identity_.groups.end(), info.st_gid) !=
            identity_.groups.end();
        return (info.st_mode & (in_group ? bit << 3U : bit)) != 0;
    }

    [[nodiscard]] std::string by_whom() const {
        return identity_.name.empty() ? "" : " by user \"" + identity_.name + "\"";
    }

    void look_at_folder() {
        struct stat info {};

        if (folder_.empty()) {
            return;  // said already
        }
        if (::stat(folder_.c_str(), &info) != 0) {
            add("its folder " + folder_ + " does not exist");
        } else if (!S_ISDIR(info.st_mode)) {
            add(folder_ + " is not a folder");
        } else if (!may(info, 1)) {
            add("its folder " + folder_ + " cannot be entered" + by_whom());
        }
    }

    // Where a command is, as execvp(3) looks for it.
    [[nodiscard]] std::optional<std::string> find_command(const std::string& command) const {
        struct stat info {};

        if (command.find('/') != std::string::npos) {
            const std::string path = os::absolute_path(command, folder_.empty() ? "/" : folder_);
            return ::stat(path.c_str(), &info) == 0 ? std::optional(path) : std::nullopt;
        }
        const auto paths = environment_.find("PATH");
        const std::string list = paths == environment_.end() ? std::string() : paths->second;
        std::optional<std::string> unusable;
        for (const std::string_view folder : split(list, ':')) {
            const std::string path = os::absolute_path(
                std::string(folder.empty() ? "." : folder) + "/" + command, folder_);
            if (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
                if (may(info, 1)) {
                    return path;
                }
                unusable = unusable ? unusable : path;
            }
        }
        return unusable;
    }

    void look_at_command(const std::string& command) {
        const auto path = find_command(command);
        if (!path) {
            return add(command.find('/') != std::string::npos
                           ? "command \"" + command + "\" does not exist"
                           : "command \"" + command + "\" is not in its PATH");
        }

        struct stat info {};

        if (::stat(path->c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
            return add("command " + *path + " is not a file");
        }
        if (!may(info, 1)) {
            return add("command " + *path + " is not executable" + by_whom());
        }
        // A script whose interpreter is missing fails as if it were missing itself.
        const auto start = os::read_start(*path, 256);
        if (!start || start->rfind("#!", 0) != 0) {
            return;
        }
        const std::string_view first = std::string_view(*start).substr(2, start->find('\n') - 2);
        if (first.ends_with('\r')) {
            return add("the first line of " + *path +
                       " ends with a carriage return, as on Windows, so its interpreter is not "
                       "found; this mends it: sed -i 's/\\r$//' " +
                       *path);
        }
        const std::string line(trim(first));
        const std::string interpreter = line.substr(0, line.find_first_of(" \t"));
        look_at_env(*path, interpreter, line);
        if (!interpreter.empty() && ::access(interpreter.c_str(), F_OK) != 0) {
            add("the interpreter of " + *path + ", " + interpreter + ", does not exist");
        }
    }

    // The file that a module's host is to load.
    void look_at_module(const std::string& path) {
        struct stat info {};

        if (::stat(path.c_str(), &info) != 0) {
            add("module " + path + " does not exist");
        } else if (!S_ISREG(info.st_mode)) {
            add("module " + path + " is not a file");
        } else if (identity_.uid != 0 && !may(info, 4)) {
            add("module " + path + " cannot be read" + by_whom());
        }
    }

    // `#!/usr/bin/env python3`: what env looks for must be there too.
    void look_at_env(const std::string& script,
                     const std::string& interpreter,
                     const std::string& line) {
        if (!interpreter.ends_with("/env") || line.size() == interpreter.size()) {
            return;
        }
        std::string_view rest = trim(std::string_view(line).substr(interpreter.size()));
        if (rest.starts_with("-S")) {
            rest = trim(rest.substr(2));
        }
        const std::string program(rest.substr(0, rest.find_first_of(" \t")));
        const bool plain =
            !program.empty() && program.front() != '-' && program.find('=') == std::string::npos;
        if (plain && !find_command(program)) {
            add("the interpreter of " + script + ", " + program + ", is not in its PATH");
        }
    }

    // The ready check would find somebody else there.
    void look_at_port() {
        std::string_view address = spec_.ready.tcp;
        if (!spec_.ready.http.empty()) {
            address = std::string_view(spec_.ready.http).substr(7);  // behind "http://"
            address = address.substr(0, address.find_first_of("/?#"));
        }
        const std::size_t colon = address.rfind(':');
        const std::string_view host = address.substr(0, colon);
        const bool here =
            host.empty() || host == "localhost" || host.rfind("127.", 0) == 0 || host == "[::1]";
        if (address.empty() || !here || colon == std::string_view::npos) {
            return;
        }
        const auto port = parse_integer<std::uint16_t>(address.substr(colon + 1)).value_or(0);
        if (const auto holder = listener_of(port); port != 0 && holder) {
            add("port " + std::to_string(port) + " of its ready check is taken by " + *holder,
                /*may_pass=*/true);
        }
    }

    const LaunchContext& context_;
    const LaunchRequest& request_;
    const AppSpec& spec_;
    Identity identity_;
    bool bad_user_ = false;
    std::optional<keeperlink::Start> start_;
    std::string folder_;
    std::map<std::string, std::string> environment_;
    std::vector<Obstacle> obstacles_;
};

}  // namespace

Preflight preflight(const LaunchContext& context, const LaunchRequest& request) {
    return Inspection(context, request).run();
}

}  // namespace berth::native
