#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Writes msgpack piece by piece, where a Value would cost more than the message.
namespace berth::wire {

void append_whole(std::string& out, std::uint64_t value);
void append_text(std::string& out, std::string_view text);
void append_array(std::string& out, std::uint32_t count);  // its elements follow
void append_map(std::string& out, std::uint32_t count);    // its keys and values follow

inline void append_flag(std::string& out, bool value) {
    out += value ? '\xC3' : '\xC2';
}

inline void append_nil(std::string& out) {
    out += '\xC0';
}

}  // namespace berth::wire
