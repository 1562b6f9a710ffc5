#include "controller/http/request.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>

#include <algorithm>

#include "shared/base/text.h"

namespace berth::http {

namespace {

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

// Poco takes what comes out as it is; control characters are ours to refuse.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank) {
    std::string given(text);
    if (plus_is_blank) {
        std::replace(given.begin(), given.end(), '+', ' ');
    }
    std::string decoded;
    if (given.find('%') == std::string::npos) {
        decoded = std::move(given);
    } else {
        try {
            Poco::URI::decode(given, decoded);
        } catch (const Poco::URISyntaxException& error) {
            return std::nullopt;
        }
    }
    if (std::any_of(decoded.begin(), decoded.end(), is_control)) {
        return std::nullopt;
    }
    return decoded;
}

}  // namespace berth::http
