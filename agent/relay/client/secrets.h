#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "shared/base/result.h"
#include "shared/os/file.h"

// What an app proves its identity with: 64 hexadecimal digits in HOME/secrets/ID, mode 0600, made
// at its first start or by `berth token app ID`. Removing the file revokes it. One that is no
// secret, such as the empty file that a loss of power left, counts as none.
namespace berth::relay {

std::string secret_file(const std::string& home, const std::string& app);

// Error: NotFound when there is none.
Result<std::string> read_secret(const std::string& home, const std::string& app);

// The app's secret, made when missing. `sync`: Later is enough for who gets it again from the file
// at each start; who keeps it elsewhere needs it on the disk.
Result<std::string> ensure_secret(const std::string& home,
                                  const std::string& app,
                                  os::Sync sync = os::Sync::Now);

}  // namespace berth::relay
