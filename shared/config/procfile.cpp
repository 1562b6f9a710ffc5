#include <algorithm>
#include <map>
#include <string>

#include "shared/base/text.h"
#include "shared/config/schemas.h"

namespace berth::config {

namespace {

constexpr int kFirstPort = 5000;
constexpr int kPortStep = 100;

// A folder's name as the beginning of an id: what ids cannot have becomes "-".
std::string id_prefix(std::string_view folder) {
    std::string prefix;
    for (const char c : folder) {
        const bool allowed = is_valid_id(std::string("x") + c);
        if (allowed && (!prefix.empty() || is_valid_id(std::string(1, c)))) {
            prefix += c;
        } else if (!prefix.empty() && !prefix.ends_with('-')) {
            prefix += '-';
        }
    }
    while (prefix.ends_with('-')) {
        prefix.pop_back();
    }
    return prefix.empty() ? prefix : prefix + '-';
}

bool is_process_name(std::string_view name) {
    return is_valid_id(name) && name.find('.') == std::string_view::npos;
}

AppSpec process(std::string id, std::string_view command, std::size_t number) {
    AppSpec spec;
    spec.descriptor = DescriptorKind::Procfile;
    spec.id = std::move(id);
    spec.command = std::string(command);
    spec.argv = {"/bin/sh", "-c", spec.command};
    spec.env_file = ".env";
    spec.env["PORT"] = std::to_string(kFirstPort + kPortStep * static_cast<int>(number));
    return spec;
}

}  // namespace

std::vector<AppSpec> read_procfile(std::string_view text, std::string_view folder, Report& report) {
    const std::string prefix = id_prefix(folder);
    std::vector<AppSpec> apps;
    std::map<std::string, int, std::less<>> first_line;
    int line_number = 0;
    for (const std::string_view whole_line : split(text, '\n')) {
        const Position at{++line_number, 1};
        const std::string_view line = trim(whole_line);
        if (line.empty() || line.starts_with('#')) {
            continue;
        }
        const std::size_t colon = line.find(':');
        const std::string_view name = trim(line.substr(0, colon));
        if (colon == std::string_view::npos || !is_process_name(name)) {
            report.problem(
                at,
                in_quotes(line) +
                    " is not a line NAME: command, with a NAME of letters, digits, _ and -");
            continue;
        }
        const std::string_view command = trim(line.substr(colon + 1));
        const std::string id = prefix + std::string(name);
        const auto [known, is_new] = first_line.emplace(name, line_number);
        if (command.empty()) {
            report.problem(at, std::string(name) + ": the command is missing");
        } else if (!is_new) {
            report.problem(
                at,
                std::string(name) + ": occurs in line " + std::to_string(known->second) + " too");
        } else if (!is_valid_id(id)) {
            report.problem(at,
                           std::string(name) + ": the id " + in_quotes(id) + " is not of " +
                               std::string(kIdRule));
        } else {
            apps.push_back(process(id, command, apps.size()));
        }
    }
    if (apps.empty() && !report.has_problems()) {
        report.problem({}, "no line NAME: command");
    }
    return apps;
}

}  // namespace berth::config
