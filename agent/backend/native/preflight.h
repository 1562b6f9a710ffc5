#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/backend/native/launch.h"

namespace berth::native {

using backend::Obstacle;

struct Preflight {
    std::vector<Obstacle> obstacles;
    std::optional<keeperlink::Start> start;  // the plan, when there are none
};

// Everything that would make a start of this app fail, as far as it can be known before: command,
// interpreter, folder, user, group, env file, required commands and variables, the port of its
// ready check. Changes nothing.
Preflight preflight(const LaunchContext& context, const LaunchRequest& request);

}  // namespace berth::native
