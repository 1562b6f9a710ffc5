#include "shared/base/terminal_text.h"

#include <array>
#include <cstdint>

#include "shared/base/text.h"

namespace berth {

namespace {

constexpr std::string_view kHex = "0123456789abcdef";

// A character of UTF-8, or one byte that is none.
struct Character {
    std::uint32_t code = 0;
    std::size_t size = 1;
    bool valid = false;
};

Character first_of(std::string_view text) {
    const auto byte = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned lead = byte(0);
    if (lead < 0x80U) {
        return {lead, 1, true};
    }
    const std::size_t size = lead >= 0xF0U ? 4 : lead >= 0xE0U ? 3 : 2;
    if (text.size() < size || valid_utf8_prefix(text.substr(0, size)) != size) {
        return {lead, 1, false};
    }
    constexpr std::array<unsigned, 5> kLeadBits = {0, 0, 0x1F, 0x0F, 0x07};
    std::uint32_t code = lead & kLeadBits.at(size);
    for (std::size_t i = 1; i < size; ++i) {
        code = code << 6U | (byte(i) & 0x3FU);
    }
    return {code, size, true};
}

// Embeddings, overrides, isolates and marks of direction (Unicode's UAX 9), line and paragraph
// separators.
bool turns_direction(std::uint32_t code) {
    return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0x200E || code == 0x200F || code == 0x061C || code == 0x2028 || code == 0x2029;
}

bool is_control(std::uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

std::string hex(std::uint32_t code, std::size_t digits) {
    std::string text(digits, '0');
    for (std::size_t i = digits; i > 0; --i, code >>= 4U) {
        text[i - 1] = kHex[code & 0xFU];
    }
    return text;
}

std::string named(const Character& character) {
    if (!character.valid || character.code < 0x20) {
        return "\\x" + hex(character.code, 2);
    }
    return "\\u" + hex(character.code, 4);
}

// How long the colour sequence (CSI … m) is that `text` begins with; 0: none.
std::size_t colour_at(std::string_view text) {
    if (!text.starts_with("\x1b[")) {
        return 0;
    }
    std::size_t at = 2;
    while (at < text.size() &&
           ((text[at] >= '0' && text[at] <= '9') || text[at] == ';' || text[at] == ':')) {
        ++at;
    }
    return at < text.size() && text[at] == 'm' ? at + 1 : 0;
}

}  // namespace

std::string safe_for_terminal(std::string_view text) {
    constexpr std::string_view kPlain = "\x1b[0m";
    std::string safe;
    safe.reserve(text.size());
    bool coloured = false;
    while (!text.empty()) {
        if (const std::size_t colour = colour_at(text); colour > 0) {
            coloured = text.substr(0, colour) != kPlain && text.substr(0, colour) != "\x1b[m";
            safe += text.substr(0, colour);
            text.remove_prefix(colour);
            continue;
        }
        const Character character = first_of(text);
        if (character.code == '\n' && coloured) {
            safe += kPlain;
            coloured = false;
        }
        const bool passes =
            character.valid && !turns_direction(character.code) &&
            (!is_control(character.code) || character.code == '\n' || character.code == '\t');
        // A carriage return before a newline is what a terminal makes of one.
        const bool line_end = character.code == '\r' && text.size() > 1 && text[1] == '\n';
        if (passes) {
            safe += text.substr(0, character.size);
        } else if (!line_end) {
            safe += named(character);
        }
        text.remove_prefix(character.size);
    }
    if (coloured) {
        safe += kPlain;
    }
    return safe;
}

std::string in_one_line(std::string_view text) {
    const std::size_t end = text.find_first_of("\r\n");
    const std::string_view first = text.substr(0, end);
    std::string line;
    for (std::string_view rest = first; !rest.empty();) {
        const Character character = first_of(rest);
        const bool shows =
            character.valid && !turns_direction(character.code) && !is_control(character.code);
        line += shows ? std::string(rest.substr(0, character.size)) : named(character);
        rest.remove_prefix(character.size);
    }
    const bool more = end != std::string_view::npos && !trim(text.substr(end)).empty();
    return more ? line + " …" : line;
}

}  // namespace berth
