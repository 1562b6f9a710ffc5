#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"

namespace berth::access {

inline constexpr std::size_t kMinPassword = 8;    // characters
inline constexpr std::size_t kMaxPassword = 256;  // bytes

// Whether `password` may become the password of `user`: UTF-8 without control characters, long
// enough, not one of the common ones, not the name. No rules about kinds of characters. Error:
// which rule it breaks.
Result<void> check_password(std::string_view user, std::string_view password);

// In Unicode's composed form (NFC): keyboards and systems differ in whether an "é" is one character
// or two. Nothing: it is no UTF-8.
std::optional<std::string> composed(const std::string& password);

// The one line that a password is piped in as, without its end: "a\n" and "a" are "a". Error: there
// is none, another one follows, or it ends as lines of DOS do: what is meant then is not clear.
Result<std::string> password_of_line(std::string_view input);

}  // namespace berth::access
