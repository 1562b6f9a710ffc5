#include "controller/http/negotiation.h"

#include <algorithm>
#include <optional>
#include <string>

#include "shared/base/text.h"

namespace berth::http {

namespace {

// Whether an item's parameters say q=0: "not this one".
bool is_refused(std::string_view item) {
    const auto parts = split(item, ';');
    return std::any_of(parts.begin() + 1, parts.end(), [](std::string_view part) {
        const std::string parameter = to_lower(trim(part));
        return parameter.size() > 2 && parameter.compare(0, 2, "q=") == 0 &&
               parameter.find_first_not_of("0.", 2) == std::string::npos;
    });
}

std::string name_of(std::string_view item) {
    return to_lower(trim(item.substr(0, item.find(';'))));
}

// What a list says of `name`. Nothing: it does not say.
std::optional<bool> said_of(std::string_view field, std::string_view name) {
    for (const std::string_view item : split(field, ',')) {
        if (name_of(item) == name) {
            return !is_refused(item);
        }
    }
    return std::nullopt;
}

}  // namespace

bool is_media_type(std::string_view field, std::string_view wanted) {
    return name_of(field) == wanted;
}

bool accepts_gzip(std::string_view field) {
    for (const std::string_view name : {"gzip", "x-gzip", "*"}) {
        if (const auto said = said_of(field, name)) {
            return *said;
        }
    }
    return false;
}

bool accepts_media(std::string_view field, std::string_view wanted) {
    return said_of(field, wanted).value_or(false);
}

bool names_etag(std::string_view field, std::string_view etag) {
    const std::string_view list = trim(field);
    if (list == "*") {
        return true;
    }
    // A tag may hold commas, so it is looked for between its quotes.
    for (std::size_t at = 0; at < list.size();) {
        const std::size_t open = list.find('"', at);
        const std::size_t close = open == std::string_view::npos ? open : list.find('"', open + 1);
        if (close == std::string_view::npos) {
            return false;
        }
        if (list.substr(open, close - open + 1) == etag) {
            return true;
        }
        at = close + 1;
    }
    return false;
}

}  // namespace berth::http
