#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/backend/native/launch.h"

namespace berth::native {

// Something that keeps an app from starting.
struct Obstacle {
    std::string text;
    bool may_pass = false;  // by itself: a port that is taken
};

struct Preflight {
    std::vector<Obstacle> obstacles;
    std::optional<keeperlink::Start> start;  // the plan, when there are none
};

// Everything that would make a start of this app fail, as far as it can be known before: command,
// interpreter, folder, user, group, env file, required commands and variables, the port of its
// ready check. Changes nothing.
Preflight preflight(const LaunchContext& context, const LaunchRequest& request);

// All in one sentence: "user "www" does not exist; command "gunicorn" is not in its PATH".
std::string in_words(const std::vector<Obstacle>& obstacles);

}  // namespace berth::native
