#pragma once

#include <string>
#include <string_view>

namespace berth::access {

// A new random token of `bytes` bytes, in URL-safe base64 without padding.
std::string random_token(std::size_t bytes = 32);

// What is stored instead of a token: BLAKE2b of it, in hex. Tokens are random, so no salt is
// needed.
std::string token_hash(std::string_view token);

// What only who has `key` can make for `text`: keyed BLAKE2b, in URL-safe base64.
std::string signature(std::string_view text, std::string_view key);

// Whether both are the same, in a time that tells nothing but the lengths.
bool same_secret(std::string_view a, std::string_view b);

}  // namespace berth::access
