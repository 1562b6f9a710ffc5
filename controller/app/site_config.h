#pragma once

#include "controller/access/site.h"
#include "controller/app/commands.h"
#include "controller/app/options.h"
#include "shared/base/result.h"

namespace berth::controller {

// What controller.toml says of how the panel is reached. What `options` say of it is written there
// before, so that the next start knows it too. Error: what of either is wrong.
Result<access::Site> load_site(const Paths& paths, const Options& options);

// Where the panel is to be served: as `options` say, else as controller.toml does, else
// 127.0.0.1:6880.
Result<void> choose_listen(const Paths& paths, Options& options);

// Writes into controller.toml where it is served, for the next start.
Result<void> remember_listen(const Paths& paths, const std::string& address, bool allow_remote);

// Adds names by which the controller is known.
Result<void> add_hosts(access::Site& site, const std::vector<std::string>& names);

}  // namespace berth::controller
