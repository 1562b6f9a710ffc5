#pragma once

#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace berth::auth {

inline constexpr std::size_t kMinPassword = 8;
inline constexpr std::size_t kMaxPassword = 256;

// Whether `password` may become the password of `user`: long enough, not one of the common ones,
// not the name. No rules about kinds of characters. Error: which rule it breaks.
Result<void> check_password(std::string_view user, std::string_view password);

// Argon2id with two passes over 19 MiB: about 30 ms. Blocks; at most two run at once.
Result<std::string> hash_password(const std::string& password);

// Whether the hash is of this password. An empty hash (no such user) is false after the same work.
bool verify_password(const std::string& hash, const std::string& password);

}  // namespace berth::auth
