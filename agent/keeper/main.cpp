#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/keeper/keeper.h"
#include "agent/keeper/records.h"
#include "agent/keeper/upgrade.h"
#include "shared/home/places.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/start_report.h"

namespace {

constexpr const char* kUsage =
    "usage: berth-keeper --home DIR [--name NAME] [--agent-fd N] [--no-cgroup] [--check]\n"
    "\n"
    "The parent of an agent's apps. It starts berth-agent and is started by `berth agent run`,\n"
    "`berth up` or a service unit.\n"
    "  --home DIR     the agent's home\n"
    "  --name NAME    the agent's name, instead of the home's last part\n"
    "  --agent-fd N   an agent waits at this descriptor already\n"
    "  --no-cgroup    find trees of processes by walking, even where cgroups are writable\n"
    "  --check        say whether this program can take over the home from a running keeper\n";

struct CommandLine {
    berth::keeper::KeeperOptions options;
    bool check = false;
    bool check_files = false;
    unsigned handover_version = 0;
    unsigned records_version = 0;
};

int usage_error(const std::string& what) {
    (void)std::fprintf(stderr, "berth-keeper: %s\n%s", what.c_str(), kUsage);
    return 2;
}

int run_keeper(berth::keeper::KeeperOptions options) {
    auto loop = berth::loop::EventLoop::create();
    if (!loop) {
        berth::log::error("cannot begin", {{"error", loop.error().message}});
        return 1;
    }
    auto keeper = berth::keeper::Keeper::create(**loop, options);
    if (!keeper) {
        berth::os::report_failed(options.report_fd, keeper.error().message);
        berth::log::error("cannot begin", {{"error", keeper.error().message}});
        return 1;
    }
    berth::os::report_started(options.report_fd);
    (*keeper)->run();
    return 0;
}

// False, and the problem is said: they cannot be understood.
bool read_command_line(int argc, char** argv, CommandLine& line) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--check") {
            line.check = true;
            continue;
        }
        if (flag == "--check-files") {
            line.check_files = true;
            continue;
        }
        if (flag == "--no-cgroup") {
            line.options.use_cgroup = false;
            continue;
        }
        if (flag != "--home" && flag != "--name" && flag != "--agent-fd" && flag != "--handover" &&
            flag != "--report-fd" && flag != "--handover-version" && flag != "--records-version") {
            (void)usage_error("unknown argument \"" + std::string(flag) + "\"");
            return false;
        }
        if (++i == argc) {
            (void)usage_error(std::string(flag) + " needs a value");
            return false;
        }
        const int number = std::atoi(argv[i]);  // NOLINT(cert-err34-c): from our own programs
        if (flag == "--home") {
            line.options.home = berth::os::absolute_path(argv[i]);
        } else if (flag == "--name") {
            line.options.name = argv[i];
        } else if (flag == "--agent-fd") {
            line.options.agent_fd = number;
        } else if (flag == "--report-fd") {
            line.options.report_fd = number;
        } else if (flag == "--handover") {
            line.options.handover_fd = number;
        } else if (flag == "--handover-version") {
            line.handover_version = static_cast<unsigned>(number);
        } else {
            line.records_version = static_cast<unsigned>(number);
        }
    }
    if (line.options.home.empty()) {
        (void)usage_error("--home is missing");
        return false;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && (std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h")) {
        (void)std::fputs(kUsage, stdout);
        return 0;
    }
    CommandLine line;
    if (!read_command_line(argc, argv, line)) {
        return 2;
    }
    const auto self = berth::os::sibling_executable("berth-keeper");
    const auto agent = berth::os::sibling_executable("berth-agent");
    if (!self || !agent) {
        berth::log::error("the programs are not beside each other",
                          {{"error", (self ? agent : self).error().message}});
        return 1;
    }
    berth::keeper::KeeperOptions& options = line.options;
    // What we were given and did not ask for: apps would have it, and a lock would be held by us.
    // The descriptors of a keeper that this one takes over from are told apart by what it hands
    // over.
    if (options.handover_fd < 0) {
        berth::os::close_others(std::max(options.agent_fd, options.report_fd));
    }
    if (line.check_files) {
        const auto sound = berth::keeper::Records::check(
            berth::home::places_of(options.home).at("keeper.records"));
        if (!sound) {
            berth::os::report_failed(options.report_fd, sound.error().message);
        }
        return sound ? 0 : 1;
    }
    if (line.check) {
        return berth::keeper::check_upgrade(
            options.home, *agent, line.handover_version, line.records_version);
    }
    options.program = *self;
    options.agent_command = {*agent, "--home", options.home};
    if (!options.name.empty()) {
        options.agent_command.insert(options.agent_command.end(), {"--name", options.name});
    }
    return run_keeper(std::move(options));
}
