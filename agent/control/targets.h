#pragma once

#include <string>
#include <vector>

#include "agent/registry/registry.h"
#include "shared/match/patterns.h"

namespace berth::control {

// The apps that PATTERNS mean: expressions that match whole ids, and ids of apps with instances,
// which mean all of those. No pattern: all apps. Error: an expression does not compile.
Result<match::Matches> match_apps(const registry::Registry& registry,
                                  const std::vector<std::string>& patterns);

}  // namespace berth::control
