#include "shared/config/toml_edit.h"

#include <algorithm>

#include "shared/base/text.h"

namespace berth::config {

namespace {

using Lines = std::vector<std::string>;

std::string quoted(std::string_view value) {
    std::string text = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            text += '\\';
        }
        text += c;
    }
    return text + '"';
}

// The part of a line that is no comment.
std::string_view code_of(std::string_view line) {
    bool in_string = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"') {
            in_string = !in_string;
        } else if (line[i] == '#' && !in_string) {
            return line.substr(0, i);
        }
    }
    return line;
}

bool sets(std::string_view line, std::string_view key) {
    const std::string_view code = trim(code_of(line));
    return code.substr(0, key.size()) == key && code.size() > key.size() &&
           trim(code.substr(key.size())).substr(0, 1) == "=";
}

// How many lines from `at` on belong to one value: a list may go over several.
std::size_t length_of(const Lines& lines, std::size_t at) {
    std::ptrdiff_t open = 0;
    for (std::size_t i = at; i < lines.size(); ++i) {
        const std::string_view code = code_of(lines[i]);
        open += std::count(code.begin(), code.end(), '[');
        open -= std::count(code.begin(), code.end(), ']');
        if (open <= 0) {
            return i - at + 1;
        }
    }
    return lines.size() - at;
}

// `value` is TOML; "": the key is taken out.
std::string with_value(std::string_view text,
                       std::string_view table,
                       std::string_view key,
                       const std::string& value) {
    Lines lines;
    for (const std::string_view line : split(text, '\n')) {
        lines.emplace_back(line);
    }
    while (!lines.empty() && trim(lines.back()).empty()) {
        lines.pop_back();
    }
    const std::string header = '[' + std::string(table) + ']';
    auto at = std::find_if(lines.begin(), lines.end(), [&header](const std::string& line) {
        return trim(code_of(line)) == header;
    });
    if (at == lines.end()) {
        if (!lines.empty()) {
            lines.emplace_back();
        }
        at = lines.insert(lines.end(), header);
    }
    ++at;
    const auto end = std::find_if(at, lines.end(), [](const std::string& line) {
        return trim(code_of(line)).substr(0, 1) == "[";
    });
    const auto old =
        std::find_if(at, end, [key](const std::string& line) { return sets(line, key); });
    if (old != end) {
        const auto from = static_cast<std::size_t>(old - lines.begin());
        at = lines.erase(old, old + static_cast<std::ptrdiff_t>(length_of(lines, from)));
    }
    if (!value.empty()) {
        lines.insert(at, std::string(key) + " = " + value);
    }
    return join(lines, "\n") + '\n';
}

}  // namespace

std::string with_list(std::string_view text,
                      std::string_view table,
                      std::string_view key,
                      const std::vector<std::string>& values) {
    std::vector<std::string> items;
    for (const std::string& value : values) {
        items.push_back(quoted(value));
    }
    return with_value(text, table, key, items.empty() ? "" : '[' + join(items, ", ") + ']');
}

std::string with_text(std::string_view text,
                      std::string_view table,
                      std::string_view key,
                      std::string_view value) {
    return with_value(text, table, key, quoted(value));
}

std::string with_flag(std::string_view text,
                      std::string_view table,
                      std::string_view key,
                      bool value) {
    return with_value(text, table, key, value ? "true" : "false");
}

}  // namespace berth::config
