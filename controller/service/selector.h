#pragma once

#include <string>
#include <vector>

#include "controller/fleet/fleet_view.h"
#include "shared/base/result.h"

namespace berth::service {

// What the words of a request mean among the apps of all agents.
struct Selected {
    std::vector<std::string> apps;       // AGENT/ID, each once, in the order of the view
    std::vector<std::string> unmatched;  // words that mean none
    std::size_t by_expression = 0;       // of `apps`, those that no word names as they are
};

// A word that is AGENT/ID, an app's id or that of one with instances means that and nothing else,
// on every agent that has it; any other is an RE2 expression that must match a whole AGENT/ID or
// id. Error: an expression does not compile.
Result<Selected> select_apps(const fleet::FleetView& view, const std::vector<std::string>& words);

}  // namespace berth::service
