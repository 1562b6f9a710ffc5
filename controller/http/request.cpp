#include "controller/http/request.h"

#include <algorithm>

#include "shared/base/text.h"

namespace berth::http {

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_control(char c) {
    const auto value = static_cast<unsigned char>(c);
    return value < 0x20 || value == 0x7F;
}

}  // namespace

std::optional<std::string_view> Request::header(std::string_view name) const {
    const auto found = std::find_if(
        headers.begin(), headers.end(), [name](const auto& field) { return field.first == name; });
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

std::string_view Request::cookie(std::string_view name) const {
    for (const auto& [field, value] : headers) {
        if (field != "cookie") {
            continue;
        }
        for (const std::string_view part : split(value, ';')) {
            const std::string_view pair = trim(part);
            if (pair.size() > name.size() && pair.substr(0, name.size()) == name &&
                pair[name.size()] == '=') {
                return pair.substr(name.size() + 1);
            }
        }
    }
    return {};
}

const std::string& Request::parameter(const std::string& name) const {
    static const std::string kNone;
    const auto found = query.find(name);
    return found == query.end() ? kNone : found->second;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (is_control(c)) {
            return std::nullopt;
        }
        decoded += c;
    }
    return decoded;
}

}  // namespace berth::http
