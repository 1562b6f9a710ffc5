#pragma once

#include <cstdint>
#include <string>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

// A listening, non-blocking stream socket at PATH; one that a dead process has left there is
// replaced. The folder is the protection. Error: the path is too long for a unix socket.
Result<UniqueFd> listen_unix(const std::string& path, int backlog);

enum class Blocking : std::uint8_t { No, Yes };

// A connection to who listens there. Blocking::No: nor does this call; its error has EAGAIN when
// somebody listens who takes nobody in now.
Result<UniqueFd> connect_unix(const std::string& path, Blocking blocking);

}  // namespace berth::os
