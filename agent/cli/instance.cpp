#include "agent/cli/instance.h"

#include <signal.h>
#include <sys/inotify.h>

#include <array>

#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/find_process.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::cli {

Service keeper_service(const std::string& agent_home) {
    return {agent_home + "/run/keeper.lock", agent_home + "/run/keeper.pid"};
}

Service agent_service(const std::string& agent_home) {
    return {agent_home + "/run/agent.lock", agent_home + "/run/agent.pid"};
}

Service controller_service(const std::string& home) {
    return {home + "/controller/run/controller.lock", home + "/controller/run/controller.pid"};
}

std::string controller_socket(const std::string& home) {
    return home + "/controller/run/control.sock";
}

std::string remote_agents_file(const std::string& home) {
    return home + "/controller/run/remote-agents";
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

std::optional<std::string> without_folder(const std::string& agent_home) {
    const auto keeper = os::exists(agent_home + "/run/keeper.records")
                            ? std::nullopt
                            : os::find_process("berth-keeper", "--home", agent_home);
    if (!keeper) {
        return std::nullopt;
    }
    const std::string number = std::to_string(*keeper);
    return "the run folder of " + agent_home + " was removed, but its keeper (pid " + number +
           ") and its apps run on; `kill -TERM " + number +
           "` ends them in order, then it can be brought up again";
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
    if (!fd) {
        return true;
    }
    bool ended = false;
    const auto watch =
        loop.watch(fd->get(), loop::Interest::Read, [&ended](bool, bool) { ended = true; });
    const MonoTime give_up = MonoClock::now() + limit;
    while (!ended && MonoClock::now() < give_up && loop.turn(give_up - MonoClock::now())) {
    }
    return ended;
}

bool wait_for_file(loop::EventLoop& loop,
                   const std::string& path,
                   Duration limit,
                   const std::function<bool()>& broken) {
    const std::string folder = path.substr(0, path.rfind('/'));
    const os::UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify.valid() || !os::make_folders(folder) ||
        ::inotify_add_watch(inotify.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO) < 0) {
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
        if (broken() || MonoClock::now() >= give_up || !loop.turn(give_up - MonoClock::now())) {
            return os::exists(path);
        }
    }
    return true;
}

Result<bool> ensure_agent(const std::string& agent_home,
                          const std::string& name,
                          const std::string& log_file) {
    if (running_pid(agent_service(agent_home))) {
        return false;
    }
    if (const auto keeper = running_pid(keeper_service(agent_home))) {
        (void)os::send_signal_to(*keeper,
                                 SIGHUP);  // it is left alone with its apps, or starting an agent
        return false;
    }
    BERTH_CHECK(os::make_folders(agent_home + "/run"));
    BERTH_CHECK(os::remove_tree(agent_home + "/run/control.sock"));  // of an earlier life
    os::HelperSpec spec;
    BERTH_TRY(const std::string keeper, os::sibling_executable("berth-keeper"));
    spec.argv = {keeper, "--home", agent_home, "--name", name};
    spec.new_session = true;
    spec.output = log_file;
    BERTH_CHECK(os::start_helper(spec));
    return true;
}

}  // namespace berth::cli
