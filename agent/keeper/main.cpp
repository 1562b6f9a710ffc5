#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include "agent/keeper/keeper.h"
#include "agent/keeper/records.h"
#include "agent/keeper/upgrade.h"
#include "shared/base/flags.h"
#include "shared/home/places.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/start_report.h"

namespace {

constexpr const char* kUsage =
    "usage: berth-keeper --home DIR [OPTIONS]\n"
    "\n"
    "The parent of an agent's apps. It starts berth-agent and is started by `berth agent run`,\n"
    "`berth up` or a service unit.\n";

constexpr std::array kFlags = {
    berth::Flag{"--home", "", "DIR", "the agent's home"},
    berth::Flag{"--name", "", "NAME", "the agent's name, instead of the home's last part"},
    berth::Flag{"--agent-fd", "", "N", "an agent waits at this descriptor already"},
    berth::Flag{"--no-cgroup",
                "",
                "",
                "find trees of processes by walking, even where cgroups are writable"},
    berth::Flag{
        "--check", "", "", "say whether this program can take over the home from a running keeper"},
    berth::Flag{"--version", "", "", "which Berth this is"},
    berth::Flag{"--help", "-h", "", "this"},
    // What a keeper says to the next one, and `berth` to both.
    berth::Flag{"--check-files", "", "", ""},
    berth::Flag{"--handover", "", "N", ""},
    berth::Flag{"--handover-version", "", "N", ""},
    berth::Flag{"--records-version", "", "N", ""},
    berth::Flag{"--report-fd", "", "N", ""},
};

struct Versions {
    int handover = 0;
    int records = 0;
};

int run_keeper(const berth::keeper::KeeperOptions& options) {
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

berth::Result<berth::keeper::KeeperOptions> options_of(const berth::CommandLine& line,
                                                       Versions& versions) {
    berth::keeper::KeeperOptions options;
    BERTH_CHECK(line.refuse_words());
    BERTH_TRY(const std::string home, line.required("--home"));
    options.home = berth::os::absolute_path(home);
    options.name = line.get("--name");
    options.use_cgroup = !line.has("--no-cgroup");
    BERTH_TRY(options.agent_fd, line.number("--agent-fd", options.agent_fd));
    BERTH_TRY(options.report_fd, line.number("--report-fd", options.report_fd));
    BERTH_TRY(options.handover_fd, line.number("--handover", options.handover_fd));
    BERTH_TRY(versions.handover, line.number("--handover-version", 0));
    BERTH_TRY(versions.records, line.number("--records-version", 0));
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const auto line = berth::CommandLine::parse(berth::arguments_of(argc, argv), kFlags);
    if (line && line->has("--help")) {
        (void)std::fputs((kUsage + ("\n" + berth::flags_help(kFlags))).c_str(), stdout);
        return 0;
    }
    if (line && line->has("--version")) {
        (void)std::puts("berth-keeper " BERTH_VERSION);
        return 0;
    }
    Versions versions;
    auto options = line ? options_of(*line, versions)
                        : berth::Result<berth::keeper::KeeperOptions>(berth::fail(line.error()));
    if (!options) {
        (void)std::fprintf(stderr, "berth-keeper: %s\n%s", options.error().message.c_str(), kUsage);
        return 2;
    }
    const auto self = berth::os::sibling_executable("berth-keeper");
    const auto agent = berth::os::sibling_executable("berth-agent");
    if (!self || !agent) {
        berth::log::error("the programs are not beside each other",
                          {{"error", (self ? agent : self).error().message}});
        return 1;
    }
    // What we were given and did not ask for: apps would have it, and a lock would be held by us.
    // The descriptors of a keeper that this one takes over from are told apart by what it hands
    // over.
    if (options->handover_fd < 0) {
        berth::os::close_others(std::max(options->agent_fd, options->report_fd));
    }
    if (line->has("--check-files")) {
        const auto sound = berth::keeper::Records::check(
            berth::home::places_of(options->home).at("keeper.records"));
        if (!sound) {
            berth::os::report_failed(options->report_fd, sound.error().message);
        }
        return sound ? 0 : 1;
    }
    if (line->has("--check")) {
        return berth::keeper::check_upgrade(options->home,
                                            *agent,
                                            static_cast<unsigned>(versions.handover),
                                            static_cast<unsigned>(versions.records));
    }
    options->program = *self;
    options->agent_command = {*agent, "--home", options->home};
    if (!options->name.empty()) {
        options->agent_command.insert(options->agent_command.end(), {"--name", options->name});
    }
    return run_keeper(*options);
}
