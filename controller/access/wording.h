#pragma once

#include <string>
#include <string_view>

#include "shared/base/text.h"

namespace berth::access {

// A name that somebody sent, as it may stand in a sentence.
inline std::string quoted(std::string_view name) {
    constexpr std::size_t kLongest = 60;
    return '"' + printable(shortened(name, kLongest)) + '"';
}

// "a", "b" and "c"; "none" without any.
template <class Names>
std::string listed(const Names& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const char* const before = i == 0 ? "" : (i + 1 == names.size() ? " and " : ", ");
        text += before + ('"' + std::string(names[i]) + '"');
    }
    return text.empty() ? "none" : text;
}

}  // namespace berth::access
