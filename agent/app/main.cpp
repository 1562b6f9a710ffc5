#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/app/agent.h"
#include "shared/bus/context.h"
#include "shared/db/database.h"
#include "shared/home/places.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/start_report.h"

namespace {

constexpr const char* kUsage =
    "usage: berth-agent --home DIR [--name NAME] [--keeper-fd N] [--shutdown]\n"
    "\n"
    "The agent of one home. It is started by berth-keeper; people use `berth agent run`.\n";

int usage_error(const std::string& what) {
    (void)std::fprintf(stderr, "berth-agent: %s\n%s", what.c_str(), kUsage);
    return 2;
}

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

}  // namespace

int main(int argc, char** argv) {
    berth::app::AgentOptions options;
    bool check = false;
    int report_fd = -1;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--help" || flag == "-h") {
            (void)std::fputs(kUsage, stdout);
            return 0;
        }
        if (flag == "--version") {
            (void)std::puts("berth-agent " BERTH_VERSION);
            return 0;
        }
        if (flag == "--check") {
            return 0;  // that it can be run at all is what a keeper wants to know
        }
        if (flag == "--check-files") {
            check = true;
            continue;
        }
        if (flag == "--shutdown") {
            options.shutdown = true;
            continue;
        }
        if (flag != "--home" && flag != "--name" && flag != "--keeper-fd" &&
            flag != "--report-fd") {
            return usage_error("unknown argument \"" + std::string(flag) + "\"");
        }
        if (++i == argc) {
            return usage_error(std::string(flag) + " needs a value");
        }
        if (flag == "--home") {
            options.home = berth::os::absolute_path(argv[i]);
        } else if (flag == "--name") {
            options.name = argv[i];
        } else if (flag == "--report-fd") {
            report_fd = std::atoi(argv[i]);  // NOLINT(cert-err34-c): from our own programs
        } else {
            options.keeper_fd = std::atoi(argv[i]);  // NOLINT(cert-err34-c): from our own keeper
        }
    }
    if (options.home.empty()) {
        return usage_error("--home is missing");
    }
    return check ? check_files(options.home, report_fd) : run_agent(options);
}
