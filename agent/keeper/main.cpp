#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/keeper/keeper.h"
#include "shared/log/log.h"
#include "shared/os/file.h"

namespace {

constexpr const char* kUsage =
    "usage: berth-keeper --home DIR [--name NAME] [--agent-fd N] [--no-cgroup]\n"
    "\n"
    "The parent of an agent's apps. It starts berth-agent and is started by `berth agent run`,\n"
    "`berth up` or a service unit.\n"
    "  --home DIR     the agent's home\n"
    "  --name NAME    the agent's name, instead of the home's last part\n"
    "  --agent-fd N   an agent waits at this descriptor already\n"
    "  --no-cgroup    find trees of processes by walking, even where cgroups are writable\n";

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
        berth::log::error("cannot begin", {{"error", keeper.error().message}});
        return 1;
    }
    (*keeper)->run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    berth::keeper::KeeperOptions options;
    std::string name;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--help" || flag == "-h") {
            (void)std::fputs(kUsage, stdout);
            return 0;
        }
        if (flag == "--no-cgroup") {
            options.use_cgroup = false;
            continue;
        }
        if (flag != "--home" && flag != "--name" && flag != "--agent-fd") {
            return usage_error("unknown argument \"" + std::string(flag) + "\"");
        }
        if (++i == argc) {
            return usage_error(std::string(flag) + " needs a value");
        }
        if (flag == "--home") {
            options.home = berth::os::absolute_path(argv[i]);
        } else if (flag == "--name") {
            name = argv[i];
        } else {
            options.agent_fd = std::atoi(argv[i]);  // NOLINT(cert-err34-c): from our own agent
        }
    }
    if (options.home.empty()) {
        return usage_error("--home is missing");
    }
    const auto agent = berth::os::sibling_executable("berth-agent");
    if (!agent) {
        berth::log::error("berth-agent is not beside this program",
                          {{"error", agent.error().message}});
        return 1;
    }
    options.agent_command = {*agent, "--home", options.home};
    if (!name.empty()) {
        options.agent_command.insert(options.agent_command.end(), {"--name", name});
    }
    return run_keeper(std::move(options));
}
