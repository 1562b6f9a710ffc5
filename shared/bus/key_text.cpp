#include "shared/bus/key_text.h"

#include <array>
#include <cstdint>

#include <zmq.hpp>

#include "shared/base/text.h"
#include "shared/bus/context.h"

namespace berth::bus {

namespace {

constexpr std::size_t kBytes = 32;
constexpr std::size_t kText = 40;

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

std::optional<std::string> parse_key(std::string_view text) {
    text = trim(text);
    if (is_key(text)) {
        return std::string(text);
    }
    if (text.size() != 2 * kBytes) {
        return std::nullopt;
    }
    std::array<std::uint8_t, kBytes> bytes{};
    for (std::size_t i = 0; i < kBytes; ++i) {
        const auto high = digit(text[2 * i]);
        const auto low = digit(text[2 * i + 1]);
        if (!high || !low) {
            return std::nullopt;
        }
        bytes.at(i) = static_cast<std::uint8_t>(*high << 4U | *low);
    }
    std::array<char, kText + 1> key{};
    (void)zmq_z85_encode(key.data(), bytes.data(), bytes.size());  // 32 is divisible by 4
    return std::string(key.data());
}

std::string shown_key(const std::string& key) {
    std::array<std::uint8_t, kBytes> bytes{};
    if (!is_key(key) || zmq_z85_decode(bytes.data(), key.c_str()) == nullptr) {
        return key;
    }
    return to_hex(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace berth::bus
