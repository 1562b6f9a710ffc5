#pragma once

#include "controller/app/commands.h"
#include "controller/app/options.h"
#include "controller/http/site.h"
#include "shared/base/result.h"

namespace berth::controller {

// What controller.toml says of how the panel is reached. What `options` say of it is written there
// before, so that the next start knows it too. Error: what of either is wrong.
Result<http::Site> load_site(const Paths& paths, const Options& options);

// Adds names by which the controller is known.
Result<void> add_hosts(http::Site& site, const std::vector<std::string>& names);

}  // namespace berth::controller
