#include "agent/cli/repair.h"

#include <stdio.h>

#include <algorithm>
#include <array>

#include "agent/cli/instance.h"
#include "shared/base/text.h"
#include "shared/home/places.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"
#include "shared/os/start_report.h"

namespace berth::cli {

namespace {

struct Repairable {
    std::string_view file;
    std::string_view loss;
};

constexpr std::array<Repairable, 7> kRepairable = {{
    {"/agent.db",
     "which apps are registered (load them again), their history, and which controllers may come "
     "in"},
    {"/relay.db", "messages that were stored and not delivered yet"},
    {"/metrics.db", "the figures of the last week"},
    {"/keys/agent.key", "who this agent is: controllers on other machines need its new key"},
    {"/keys/controller.key", "who this controller is: agents on other machines need its new key"},
    {"/controller.db", "users, sessions, the audit log, and the list of agents on other machines"},
    {"/keeper.records", "how apps have ended while no agent was there; what runs is found without"},
}};

const Repairable* repairable(std::string_view text) {
    const auto* const found =
        std::find_if(kRepairable.begin(), kRepairable.end(), [text](const Repairable& one) {
            return text.find(one.file) != std::string_view::npos;
        });
    return found == kRepairable.end() ? nullptr : found;
}

// `PROGRAM --home FOLDER --check-files` reports a line "PATH: PROBLEM" for each.
void ask(Session& session,
         const std::string& program,
         const std::string& folder,
         std::vector<BrokenFile>& broken) {
    constexpr Duration kWait = std::chrono::minutes(1);  // a database is read as a whole
    const auto path = os::sibling_executable(program);
    os::HelperSpec spec;
    spec.argv = {path ? *path : program, "--home", folder, "--check-files"};
    spec.output = "/dev/null";
    const auto starting = os::start_reporting(std::move(spec));
    if (!starting) {
        return;  // the doctor says that the program is not there
    }
    const auto said = wait_for_report(*session.loop, *starting, kWait);
    for (const std::string_view text : split(said ? said->why : std::string_view(), '\n')) {
        const std::size_t colon = text.find(": ");
        const Repairable* const what = repairable(text.substr(0, colon));
        if (colon != std::string_view::npos && what != nullptr) {
            broken.push_back({std::string(text.substr(0, colon)),
                              std::string(text.substr(colon + 2)),
                              std::string(what->loss)});
        }
    }
}

}  // namespace

std::string repair_hint(const std::string& error) {
    return repairable(error) == nullptr
               ? ""
               : "; `berth doctor --repair` puts that file aside and says what is lost with it";
}

std::vector<BrokenFile> broken_files(Session& session) {
    std::vector<BrokenFile> broken;
    for (const std::string& folder : homes_below(session.home)) {
        if (folder == session.home + "/controller") {
            if (!running_pid(controller_service(session.home))) {
                ask(session, "berth-controller", session.home, broken);
            }
        } else if (!running_pid(agent_service(folder))) {
            if (!running_pid(keeper_service(folder))) {
                ask(session, "berth-keeper", folder, broken);
            }
            ask(session, "berth-agent", folder, broken);
        }
    }
    return broken;
}

Result<std::string> put_aside(const BrokenFile& file) {
    const std::string stamp = rfc3339_utc(read_clocks().wall, 0);
    const std::string aside = file.path + ".broken-" + stamp;
    for (const char* const suffix : {"", "-wal", "-shm"}) {
        if (os::exists(file.path + suffix) &&
            ::rename((file.path + suffix).c_str(), (aside + suffix).c_str()) != 0) {
            return fail(os::last_error("move " + file.path + suffix));
        }
    }
    return aside;
}

}  // namespace berth::cli
