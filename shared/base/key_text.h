#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth {

// How people write CURVE keys: 64 hexadecimal digits, which every shell takes as they are. libzmq's
// own form, 40 characters of Z85 (RFC 32) with `&<>()$!` among them, is what is used inside, is in
// the files of keys/, and is read wherever a key is read.

inline constexpr std::string_view kKeyRule =
    "64 hexadecimal digits, or 40 characters of Z85 as Berth wrote them before";

// Whether it is a key in Z85.
bool is_key(std::string_view text);

// The key in Z85. Nothing: it is none.
std::optional<std::string> parse_key(std::string_view text);

// The key in hexadecimal digits; what is no key as it is.
std::string shown_key(const std::string& key);

}  // namespace berth
