#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

// A listening, non-blocking stream socket at PATH; one that a dead process has left there is
// replaced. The folder is the protection. Error: the path is too long for a unix socket.
Result<UniqueFd> listen_unix(const std::string& path, int backlog);

// A blocking connection, for tests.
Result<UniqueFd> connect_unix(const std::string& path);

}  // namespace berth::os
