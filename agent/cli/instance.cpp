#include "agent/cli/instance.h"

#include <signal.h>
#include <sys/inotify.h>

#include <array>

#include "shared/base/text.h"
#include "shared/home/identity.h"
#include "shared/home/places.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/find_process.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::cli {

namespace {

Service service_of(const std::string& folder, const char* who) {
    const home::Places places = home::places_of(folder);
    return {places.lock(who), places.pid_file(who)};
}

}  // namespace

Service keeper_service(const std::string& agent_home) {
    return service_of(agent_home, "keeper");
}

Service agent_service(const std::string& agent_home) {
    return service_of(agent_home, "agent");
}

Service controller_service(const std::string& home) {
    return service_of(home + "/controller", "controller");
}

std::string controller_socket(const std::string& home) {
    return home::places_of(home + "/controller").at("control.sock");
}

std::string remote_agents_file(const std::string& home) {
    return home::places_of(home + "/controller").at("remote-agents");
}

Service up_service(const std::string& home) {
    return {home + "/up.lock", home + "/up.pid"};
}

std::optional<int> running_pid(const Service& service) {
    if (!os::is_locked(service.lock)) {
        return std::nullopt;
    }
    const auto text = os::read_file(service.pid_file);
    const auto pid = text ? parse_integer<int>(trim(*text)) : std::nullopt;
    return pid && *pid > 1 ? pid : std::nullopt;
}

std::optional<std::string> held_still(const std::string& agent_home) {
    std::string what = "the agent";
    auto pid = running_pid(agent_service(agent_home));
    if (!pid) {
        what = "the keeper";
        pid = running_pid(keeper_service(agent_home));
    }
    if (!pid || !os::is_stopped(*pid)) {
        return std::nullopt;
    }
    const std::string number = std::to_string(*pid);
    return what + " at " + agent_home + " (pid " + number + ") is stopped, `kill -CONT " + number +
           "` lets it go on";
}

std::optional<std::string> without_lock(const std::string& agent_home) {
    const auto keeper = os::exists(home::places_of(agent_home).lock("keeper"))
                            ? std::nullopt
                            : os::find_process("berth-keeper", "--home", agent_home);
    if (!keeper) {
        return std::nullopt;
    }
    const std::string number = std::to_string(*keeper);
    return "the lock of " + agent_home + " was removed, but its keeper (pid " + number +
           ") and its apps run on; `kill -TERM " + number +
           "` ends them in order, then it can be brought up again";
}

std::vector<std::string> homes_below(const std::string& home) {
    std::vector<std::string> homes;
    const auto agents = os::folders_in(home + "/agents");
    for (const std::string& name : agents ? *agents : std::vector<std::string>()) {
        homes.push_back(home + "/agents/" + name);
    }
    if (os::is_folder(home + "/controller")) {
        homes.push_back(home + "/controller");
    }
    return homes;
}

std::string standby_notice(const std::string& home) {
    for (const std::string& one : homes_below(home)) {
        const auto being = home::being_of(home::places_of(one));
        if (std::string why = being ? home::standby_notice(*being) : ""; !why.empty()) {
            return why;
        }
    }
    return {};
}

void let_go_on(const Service& service) {
    if (const auto pid = running_pid(service)) {
        (void)os::send_signal_to(*pid, SIGCONT);  // gone meanwhile: as good
    }
}

std::optional<os::UniqueFd> watch_end(const Service& service) {
    const auto pid = running_pid(service);
    if (!pid) {
        return std::nullopt;
    }
    auto fd = os::open_pidfd(*pid);
    // Looked at again: the pid was that of the lock's holder both before and after.
    if (!fd || running_pid(service) != pid) {
        return std::nullopt;
    }
    return std::move(*fd);
}

bool wait_for_end(loop::EventLoop& loop, const Service& service, Duration limit) {
    const auto fd = watch_end(service);
    return !fd || wait_readable(loop, *fd, limit);
}

bool wait_readable(loop::EventLoop& loop, const os::UniqueFd& fd, Duration limit) {
    bool readable = false;
    const auto watch =
        loop.watch(fd.get(), loop::Interest::Read, [&readable](bool, bool) { readable = true; });
    const MonoTime give_up = MonoClock::now() + limit;
    while (!readable && MonoClock::now() < give_up && loop.turn(give_up - MonoClock::now())) {
    }
    return readable;
}

std::optional<os::StartReport> wait_for_report(loop::EventLoop& loop,
                                               const os::Starting& starting,
                                               Duration limit) {
    return wait_readable(loop, starting.report, limit) ? os::read_report(starting.report)
                                                       : std::nullopt;
}

bool wait_for_file(loop::EventLoop& loop,
                   const std::string& path,
                   Duration limit,
                   const std::function<bool()>& broken) {
    const std::string folder = path.substr(0, path.rfind('/'));
    const os::UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    // Whoever ended last may be removing the folder.
    const auto watch_folder = [&inotify, &folder] {
        return os::make_folders(folder) &&
               ::inotify_add_watch(inotify.get(),
                                   folder.c_str(),
                                   IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF) >= 0;
    };
    if (!inotify.valid() || !watch_folder()) {
        return os::exists(path);
    }
    const auto watch = loop.watch(inotify.get(), loop::Interest::Read, [&inotify](bool, bool) {
        std::array<char, 4096> buffer{};
        while (os::read_some(inotify.get(), buffer.data(), buffer.size()).status ==
               os::IoStatus::Done) {
        }
    });
    const MonoTime give_up = MonoClock::now() + limit;
    while (!os::exists(path)) {
        if (!os::is_folder(folder) && !watch_folder()) {
            return false;
        }
        if (broken() || MonoClock::now() >= give_up || !loop.turn(give_up - MonoClock::now())) {
            return os::exists(path);
        }
    }
    return true;
}

Result<std::optional<os::Starting>> ensure_agent(const std::string& agent_home,
                                                 const std::string& name,
                                                 const std::string& log_file) {
    if (running_pid(agent_service(agent_home))) {
        return std::nullopt;
    }
    if (const auto keeper = running_pid(keeper_service(agent_home))) {
        (void)os::send_signal_to(*keeper,
                                 SIGHUP);  // it is left alone with its apps, or starting an agent
        return std::nullopt;
    }
    BERTH_CHECK(os::make_folders(agent_home));
    const std::string socket = home::places_of(agent_home).at("control.sock");
    BERTH_CHECK(os::remove_tree(socket));  // of an earlier life
    os::HelperSpec spec;
    BERTH_TRY(const std::string keeper, os::sibling_executable("berth-keeper"));
    spec.argv = {keeper, "--home", agent_home, "--name", name};
    spec.new_session = true;
    spec.output = log_file;
    BERTH_TRY(auto starting, os::start_reporting(std::move(spec)));
    return starting;
}

}  // namespace berth::cli
