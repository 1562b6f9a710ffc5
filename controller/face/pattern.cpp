#include "controller/face/pattern.h"

#include <algorithm>

#include "controller/http/request.h"
#include "shared/base/text.h"

namespace berth::face {

bool Parameter::may_be(std::string_view value) const {
    return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

namespace {

// "NAME", or "NAME=one|two".
Parameter read_parameter(std::string_view text) {
    const std::size_t equals = text.find('=');
    Parameter parameter{text.substr(0, equals), {}};
    if (equals != std::string_view::npos) {
        parameter.values = split(text.substr(equals + 1), '|');
    }
    return parameter;
}

}  // namespace

std::optional<Parameter> path_parameter(std::string_view part) {
    return part.size() > 2 && part.front() == '{' && part.back() == '}'
               ? std::optional(read_parameter(part.substr(1, part.size() - 2)))
               : std::nullopt;
}

std::vector<Parameter> query_parameters(std::string_view query) {
    std::vector<Parameter> parameters;
    for (const std::string_view part : split(query, ',')) {
        if (part.empty() || part == kAnyQuery) {
            continue;
        }
        parameters.push_back(read_parameter(part));
    }
    return parameters;
}

std::optional<std::map<std::string, std::string>> match_pattern(std::string_view pattern,
                                                                std::string_view path) {
    if (pattern == kEverythingElse) {
        const bool in_api = path == "/api" || path.substr(0, 5) == "/api/";
        return in_api ? std::nullopt : std::optional(std::map<std::string, std::string>());
    }
    const auto wanted = split(pattern, '/');
    const auto given = split(path, '/');
    if (wanted.size() != given.size()) {
        return std::nullopt;
    }
    std::map<std::string, std::string> params;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto parameter = path_parameter(wanted[i]);
        if (!parameter) {
            if (wanted[i] != given[i]) {
                return std::nullopt;
            }
            continue;
        }
        auto value = http::percent_decode(given[i]);
        if (!value || value->empty() || !parameter->may_be(*value)) {
            return std::nullopt;
        }
        params.emplace(parameter->name, std::move(*value));
    }
    return params;
}

}  // namespace berth::face
