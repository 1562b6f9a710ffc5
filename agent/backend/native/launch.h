#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/backend/backend.h"
#include "agent/backend/native/env_file.h"
#include "agent/keeperlink/messages.h"
#include "shared/base/result.h"
#include "shared/model/app_spec.h"

namespace berth::native {

using backend::LaunchRequest;

// Where things of this agent are, for the environment of its apps.
struct LaunchContext {
    std::string agent;
    std::string home;
    std::string runtime = {};  // where its sockets are

    // What the relay adds to an app's environment: where it is, and the app's secret. Unset: there
    // is no relay.
    using Variables = std::vector<std::pair<std::string, std::string>>;
    std::function<Variables(const AppSpec& spec)> ipc = nullptr;

    // Makes the files that those name, right before a start; gives their paths. They become those
    // of the app's user.
    std::function<Result<std::vector<std::string>>(const AppSpec& spec)> ipc_files = nullptr;
    std::string python_path = {};  // put behind the app's own PYTHONPATH
    InheritEnv inherit_env = {};   // of berth.toml's apps that do not say it themselves
};

// What the keeper is to start: environment and env file read now, user and group looked up. Error:
// what is wrong with the descriptor or this machine ("user \"www\" does not exist").
Result<keeperlink::Start> plan_launch(const LaunchContext& context, const LaunchRequest& request);

// Names of variables in our own environment that the app does not get, and nobody has said so: for
// who wonders where one is.
std::vector<std::string> withheld_variables(const LaunchContext& context,
                                            const LaunchRequest& request);

// Makes what the plan names: the folder of BERTH_HOME_DIR, for the app's user, and what the relay
// needs. For another user than ours the home is opened as far as that: names in it that he knows
// can be reached, nothing can be listed.
Result<void> prepare_launch(const LaunchContext& context,
                            const AppSpec& spec,
                            const keeperlink::Start& start);

// The same for a shell line that runs as the app, with its environment: a hook or a check.
Result<keeperlink::Start> plan_line(const LaunchContext& context,
                                    const LaunchRequest& request,
                                    const std::string& line);

// What the app's env file says now; nothing when it has none.
Result<EnvEntries> read_env_file(const AppSpec& spec, const std::string& folder);

}  // namespace berth::native
