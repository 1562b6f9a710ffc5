#include <signal.h>

#include "agent/cli/commands.h"
#include "agent/cli/instance.h"
#include "shared/home/identity.h"
#include "shared/home/places.h"
#include "shared/os/process.h"

namespace berth::cli {

namespace {

constexpr Duration kEnd = std::chrono::seconds(10);

// Whoever runs the home ends, and is started again when it is decided: it has read what it is at
// its start. The apps run on. Gives what starts it.
Result<std::function<Result<void>()>> put_down(Session& session, const std::string& folder) {
    const std::string name = folder.substr(folder.rfind('/') + 1);
    if (folder == session.home + "/controller") {
        if (const auto pid = running_pid(controller_service(session.home))) {
            // `berth up` starts the next one.
            (void)os::send_signal_to(*pid, SIGTERM);
            (void)wait_for_end(*session.loop, controller_service(session.home), kEnd);
        }
        return std::function<Result<void>()>([] { return Result<void>(); });
    }
    if (!running_pid(agent_service(folder))) {
        return std::function<Result<void>()>([] { return Result<void>(); });
    }
    BERTH_CHECK(end_agent(session, name, /*keep_apps=*/true));
    return std::function<Result<void>()>([&session, folder, name]() -> Result<void> {
        BERTH_CHECK(session.bring_up(name, folder + "/agent.log"));
        return {};
    });
}

Result<int> decide(Session& session, bool as_copy) {
    int decided = 0;
    for (const std::string& folder : homes_below(session.home)) {
        const home::Places places = home::places_of(folder);
        BERTH_TRY(const home::Being being, home::being_of(places));
        if (being.standing == home::Standing::Own) {
            continue;
        }
        BERTH_TRY(const auto start_again, put_down(session, folder));
        BERTH_CHECK(as_copy ? home::become_own(places) : home::take_over(places));
        BERTH_CHECK(start_again());
        print(folder.substr(session.home.size() + 1) +
              (as_copy ? " is a home of its own now\n"
                       : " has the name and the keys of " + being.original->path + " now\n"));
        if (!as_copy && being.standing == home::Standing::Copy) {
            print_error(
                "that one still lives; two with the same keys are in each other's way: end "
                "it with `berth down --home " +
                being.original->path + "`, or what is left of it by hand");
        }
        ++decided;
    }
    return decided;
}

}  // namespace

int run_home(Session& session) {
    const bool as_copy = session.arguments.has("--as-copy");
    const bool takes_over = session.arguments.has("--takes-over");
    if (as_copy && takes_over) {
        return report({ErrorCode::InvalidArgument,
                       "--as-copy and --takes-over exclude each other: a home of its own, or the "
                       "one that the other was",
                       0});
    }
    if (!as_copy && !takes_over) {
        print(session.home + "\n");
        return kDone;
    }
    const auto decided = decide(session, as_copy);
    if (!decided) {
        return report(decided.error());
    }
    if (*decided == 0) {
        print_error(session.home + " is no copy: nothing was changed");
        return kFailed;
    }
    return kDone;
}

}  // namespace berth::cli
