#include "shared/wire/append.h"

namespace berth::wire {

namespace {

void append_number(std::string& out, unsigned type, std::uint64_t value, unsigned size) {
    out += static_cast<char>(type);
    for (unsigned i = size; i > 0; --i) {
        out += static_cast<char>(value >> (8U * (i - 1)) & 0xFFU);
    }
}

}  // namespace

void append_whole(std::string& out, std::uint64_t value) {
    if (value < 0x80) {
        out += static_cast<char>(value);
    } else if (value <= 0xFF) {
        append_number(out, 0xCC, value, 1);
    } else if (value <= 0xFFFF) {
        append_number(out, 0xCD, value, 2);
    } else if (value <= 0xFFFFFFFF) {
        append_number(out, 0xCE, value, 4);
    } else {
        append_number(out, 0xCF, value, 8);
    }
}

void append_text(std::string& out, std::string_view text) {
    if (text.size() < 32) {
        out += static_cast<char>(0xA0U | text.size());
    } else if (text.size() <= 0xFF) {
        append_number(out, 0xD9, text.size(), 1);
    } else if (text.size() <= 0xFFFF) {
        append_number(out, 0xDA, text.size(), 2);
    } else {
        append_number(out, 0xDB, text.size(), 4);
    }
    out += text;
}

void append_array(std::string& out, std::uint32_t count) {
    if (count < 16) {
        out += static_cast<char>(0x90U | count);
    } else if (count <= 0xFFFF) {
        append_number(out, 0xDC, count, 2);
    } else {
        append_number(out, 0xDD, count, 4);
    }
}

void append_map(std::string& out, std::uint32_t count) {
    if (count < 16) {
        out += static_cast<char>(0x80U | count);
    } else if (count <= 0xFFFF) {
        append_number(out, 0xDE, count, 2);
    } else {
        append_number(out, 0xDF, count, 4);
    }
}

}  // namespace berth::wire
