#pragma once

#include <string>
#include <vector>

#include "shared/model/app_spec.h"

namespace berth::config {

// The keys in which two descriptors of one app differ, as they are written: "app.command",
// "restart.delay", "app.env.PORT". Empty: they say the same.
std::vector<std::string> changed_keys(const AppSpec& before, const AppSpec& after);

// Those of them that a run which is under way does not follow.
std::vector<std::string> keys_for_restart(const std::vector<std::string>& keys);

}  // namespace berth::config
