#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::face {

// The pattern of whatever is not below /api and matches nothing else: the panel's pages and files.
inline constexpr std::string_view kEverythingElse = "/{path}";

// What a query may hold whose names are not ours, such as that of a page.
inline constexpr std::string_view kAnyQuery = "*";

// One parameter of a route; `values`: all that it may be, none for anything.
struct Parameter {
    std::string_view name;
    std::vector<std::string_view> values;

    [[nodiscard]] bool may_be(std::string_view value) const;
};

// Those of a query, "a,b,c=one|two".
std::vector<Parameter> query_parameters(std::string_view query);

// The parameter that a part of a pattern is. Nothing: the part is fixed.
std::optional<Parameter> path_parameter(std::string_view part);

// The path's parts as the pattern names them. Nothing: it does not match.
std::optional<std::map<std::string, std::string>> match_pattern(std::string_view pattern,
                                                                std::string_view path);

}  // namespace berth::face
