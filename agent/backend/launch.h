#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/keeperlink/messages.h"
#include "shared/model/app_spec.h"

namespace berth::backend {

// Where things of this agent are, for the environment of its apps.
struct LaunchContext {
    std::string agent;
    std::string home;

    // What the relay adds to an app's environment: where it is, and the app's secret, made when
    // missing. Unset: there is no relay.
    using Variables = std::vector<std::pair<std::string, std::string>>;
    std::function<Result<Variables>(const AppSpec& spec)> ipc = nullptr;
    std::string python_path = {};  // put behind the app's own PYTHONPATH
};

// One start of one app.
struct LaunchRequest {
    const AppSpec& spec;
    std::string folder;                    // the app's directory
    std::vector<std::string> environment;  // of the shell that loaded it; empty: our own
    std::uint64_t generation = 0;
};

// What the keeper is to start: environment and env file read now, user and group looked up. Makes
// the app's data folder. Error: what is wrong with the descriptor or this machine ("user \"www\"
// does not exist").
Result<keeperlink::Start> plan_launch(const LaunchContext& context, const LaunchRequest& request);

// NAME=VALUE lines of an env file: blank lines and # comments are skipped, `export ` is allowed,
// quotes around the value are taken off. Error: the line.
Result<std::vector<std::pair<std::string, std::string>>> parse_env_file(const std::string& file,
                                                                        std::string_view text);

}  // namespace berth::backend
