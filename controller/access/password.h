#pragma once

#include <string>

#include "shared/base/result.h"

namespace berth::access {

// Argon2id with two passes over 19 MiB: about 30 ms. Blocks; at most two run at once.
Result<std::string> hash_password(const std::string& password);

// Whether the hash is of this password. An empty hash (no such user) is false after the same work.
bool verify_password(const std::string& hash, const std::string& password);

}  // namespace berth::access
