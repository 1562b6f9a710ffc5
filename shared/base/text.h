#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace berth {

// The words of `text`, split as a POSIX shell would (quotes and backslashes, no expansion, no
// operators). Error: an unclosed quote or a trailing backslash, with its position.
Result<std::vector<std::string>> split_words(std::string_view text);

// The text that split_words() takes apart into `words` again: each is quoted where it needs to be.
std::string join_words(const std::vector<std::string>& words);

// `text` cut at every `separator`; n separators give n + 1 pieces.
std::vector<std::string_view> split(std::string_view text, char separator);

// The items with `between` between them.
std::string join(const std::vector<std::string>& items, std::string_view between);

std::string_view trim(std::string_view text);

// With small letters for the ASCII ones; other bytes stay.
std::string to_lower(std::string_view text);

// Whether `id` may name an app or agent: 1 to 64 of a-z A-Z 0-9 . _ -, the first a letter or digit.
bool is_valid_id(std::string_view id);

// The words an error uses for what an id may be.
inline constexpr std::string_view kIdRule =
    "1 to 64 of a-z A-Z 0-9 . _ -, the first one a letter or digit";

// The candidate nearest to `word` by edit distance, or "" when none is near enough to be meant.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

// How many bytes at the start of `bytes` are valid UTF-8: all of them, or up to the first fault.
std::size_t valid_utf8_prefix(std::string_view bytes);

// `bytes` as valid UTF-8: what is not UTF-8 becomes U+FFFD.
std::string to_utf8(std::string_view bytes);

// `bytes` for people: control characters as \n, \t, \xNN.
std::string printable(std::string_view bytes);

// At most about `bytes` of `text`, cut between characters and marked with "…".
std::string shortened(std::string_view text, std::size_t bytes);

std::string to_hex(std::string_view bytes);

// The decimal number that is all of `text`; nothing else may be in it, and it must fit.
template <class Integer>
std::optional<Integer> parse_integer(std::string_view text) {
    Integer value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty()
               ? std::optional(value)
               : std::nullopt;
}

}  // namespace berth
