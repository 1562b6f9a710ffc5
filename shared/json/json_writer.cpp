#include "shared/json/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "shared/base/ensure.h"
#include "shared/base/text.h"

namespace berth::json {

namespace {

// What stands for `c` inside a JSON string, "" when `c` itself does.
std::string_view escape_of(char c, std::array<char, 6>& buffer) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    switch (c) {
        case '"':
            return "\\\"";
        case '\\':
            return "\\\\";
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        default:
            break;
    }
    const auto value = static_cast<unsigned char>(c);
    if (value >= 0x20 && value != 0x7F) {
        return {};
    }
    buffer = {'\\', 'u', '0', '0', kDigits[value >> 4U], kDigits[value & 15U]};
    return {buffer.data(), buffer.size()};
}

}  // namespace

JsonWriter& JsonWriter::key(std::string_view name) {
    ENSURE(!levels_.empty() && levels_.back().bracket == '{', "keys stand in objects only");
    Level& level = levels_.back();
    ENSURE(!level.keyed, "each key gets its value before the next key");
    if (!level.empty) {
        text_ += ',';
    }
    level.empty = false;
    level.keyed = true;
    append_quoted(name);
    text_ += ':';
    return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
    before_value();
    append_quoted(text);
    return *this;
}

JsonWriter& JsonWriter::value(double number) {
    if (!std::isfinite(number)) {
        return null();
    }
    std::array<char, 32> buffer{};
    const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    ENSURE(error == std::errc(), "the shortest form of a double has at most 24 characters");
    return raw({buffer.data(), static_cast<std::size_t>(end - buffer.data())});
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    before_value();
    text_ += json;
    return *this;
}

const std::string& JsonWriter::text() const {
    ENSURE(levels_.empty() && !text_.empty(), "the text is asked for when it is finished");
    return text_;
}

std::string JsonWriter::take() {
    ENSURE(levels_.empty() && !text_.empty(), "the text is taken when it is finished");
    return std::exchange(text_, {});
}

JsonWriter& JsonWriter::open(char bracket) {
    before_value();
    text_ += bracket;
    levels_.push_back({bracket});
    return *this;
}

JsonWriter& JsonWriter::close(char opened, char bracket) {
    ENSURE(!levels_.empty() && levels_.back().bracket == opened, "what is closed was opened last");
    ENSURE(!levels_.back().keyed, "the last key has its value");
    levels_.pop_back();
    text_ += bracket;
    return *this;
}

void JsonWriter::before_value() {
    if (levels_.empty()) {
        ENSURE(text_.empty(), "there is one value at the top");
        return;
    }
    Level& level = levels_.back();
    if (level.bracket == '{') {
        ENSURE(level.keyed, "a value in an object has a key");
        level.keyed = false;
        return;
    }
    if (!level.empty) {
        text_ += ',';
    }
    level.empty = false;
}

void JsonWriter::append_quoted(std::string_view text) {
    if (valid_utf8_prefix(text) != text.size()) {
        append_quoted(to_utf8(text));
        return;
    }
    std::array<char, 6> buffer{};
    std::size_t copied = 0;
    text_ += '"';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string_view escape = escape_of(text[i], buffer);
        if (!escape.empty()) {
            text_.append(text, copied, i - copied).append(escape);
            copied = i + 1;
        }
    }
    text_.append(text, copied).append(1, '"');
}

}  // namespace berth::json
