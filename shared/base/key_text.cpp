#include "shared/base/key_text.h"

#include <array>
#include <cstdint>

#include "shared/base/text.h"

namespace berth {

namespace {

constexpr std::size_t kBytes = 32;
constexpr std::size_t kText = 40;
constexpr std::size_t kGroup = 5;  // digits of Z85 that are four bytes
constexpr std::string_view kDigits =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
constexpr std::uint32_t kBase = 85;
static_assert(kDigits.size() == kBase);

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned>(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return static_cast<unsigned>(c - 'a') + 10U;
    }
    return c >= 'A' && c <= 'F' ? std::optional(static_cast<unsigned>(c - 'A') + 10U)
                                : std::nullopt;
}

}  // namespace

bool is_key(std::string_view text) {
    return text.size() == kText && text.find_first_not_of(kDigits) == std::string_view::npos;
}

std::optional<std::string> parse_key(std::string_view text) {
    text = trim(text);
    if (is_key(text)) {
        return std::string(text);
    }
    if (text.size() != 2 * kBytes) {
        return std::nullopt;
    }
    std::string key;
    for (std::size_t at = 0; at < text.size(); at += 8) {
        std::uint32_t value = 0;
        for (const char c : text.substr(at, 8)) {
            const auto half = digit(c);
            if (!half) {
                return std::nullopt;
            }
            value = value << 4U | *half;
        }
        std::array<char, kGroup> group{};
        for (std::size_t i = kGroup; i-- > 0; value /= kBase) {
            group.at(i) = kDigits[value % kBase];
        }
        key.append(group.data(), group.size());
    }
    return key;
}

std::string shown_key(const std::string& key) {
    if (!is_key(key)) {
        return key;
    }
    std::string bytes;
    for (std::size_t at = 0; at < key.size(); at += kGroup) {
        std::uint64_t value = 0;
        for (const char c : std::string_view(key).substr(at, kGroup)) {
            value = value * kBase + kDigits.find(c);
        }
        if (value > UINT32_MAX) {
            return key;
        }
        for (unsigned shift = 32; shift > 0; shift -= 8) {
            bytes += static_cast<char>(value >> (shift - 8) & 0xFFU);
        }
    }
    return to_hex(bytes);
}

}  // namespace berth
