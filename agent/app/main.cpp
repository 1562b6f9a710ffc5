#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/app/agent.h"
#include "shared/base/flags.h"
#include "shared/bus/context.h"
#include "shared/db/database.h"
#include "shared/home/places.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/start_report.h"

namespace {

constexpr const char* kUsage =
    "usage: berth-agent --home DIR [OPTIONS]\n"
    "\n"
    "The agent of one home. It is started by berth-keeper; people use `berth agent run`.\n";

constexpr std::array kFlags = {
    berth::Flag{"--home", "", "DIR", "the agent's home"},
    berth::Flag{"--name", "", "NAME", "its name, instead of the home's last part"},
    berth::Flag{"--shutdown", "", "", "end the apps, then itself"},
    berth::Flag{"--version", "", "", "which Berth this is"},
    berth::Flag{"--help", "-h", "", "this"},
    // What its keeper and `berth` say.
    berth::Flag{"--keeper-fd", "", "N", ""},
    berth::Flag{"--report-fd", "", "N", ""},
    berth::Flag{"--check", "", "", ""},
    berth::Flag{"--check-files", "", "", ""},
};

// Reports a line for each file of the home that cannot be used.
int check_files(const std::string& home, int report_fd) {
    std::string lines;
    const auto look = [&lines](const berth::Result<void>& found) {
        lines += found ? "" : found.error().message + "\n";
    };
    for (const char* const name : {"/agent.db", "/relay.db", "/metrics.db"}) {
        look(berth::db::Database::check(home + name));
    }
    look(berth::bus::check_keys(home + "/keys", "agent"));
    if (lines.empty()) {
        berth::os::report_started(report_fd);
        return 0;
    }
    berth::os::report_failed(report_fd, lines);
    return 1;
}

int run_agent(const berth::app::AgentOptions& options) {
    auto loop = berth::loop::EventLoop::create();
    if (!loop) {
        berth::log::error("cannot begin", {{"error", loop.error().message}});
        return 1;
    }
    auto agent = berth::app::Agent::create(**loop, options);
    const std::string problem = berth::home::places_of(options.home).at("agent.problem");
    if (!agent) {
        berth::log::error("cannot begin", {{"error", agent.error().message}});
        // For those who wait for this agent. Without it they learn of it by waiting longer.
        (void)berth::os::replace_file(problem, agent.error().message + "\n");
        return 1;
    }
    (void)berth::os::remove_tree(problem);  // of an earlier try; none, mostly
    (*agent)->run();
    if (!(*agent)->close()) {
        berth::log::warning("a file system does not answer; what reads there is left behind");
        std::_Exit(0);
    }
    return 0;
}

berth::Result<berth::app::AgentOptions> options_of(const berth::CommandLine& line) {
    berth::app::AgentOptions options;
    BERTH_CHECK(line.refuse_words());
    BERTH_TRY(const std::string home, line.required("--home"));
    options.home = berth::os::absolute_path(home);
    options.name = line.get("--name");
    options.shutdown = line.has("--shutdown");
    BERTH_TRY(options.keeper_fd, line.number("--keeper-fd", options.keeper_fd));
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
        (void)std::puts("berth-agent " BERTH_VERSION);
        return 0;
    }
    if (line && line->has("--check")) {
        return 0;  // that it can be run at all is what a keeper wants to know
    }
    const auto options = line ? options_of(*line)
                              : berth::Result<berth::app::AgentOptions>(berth::fail(line.error()));
    const auto report_fd = line ? line->number("--report-fd", -1) : berth::Result<int>(-1);
    if (!options || !report_fd) {
        const std::string& why = (options ? report_fd.error() : options.error()).message;
        (void)std::fprintf(stderr, "berth-agent: %s\n%s", why.c_str(), kUsage);
        return 2;
    }
    return line->has("--check-files") ? check_files(options->home, *report_fd)
                                      : run_agent(*options);
}
