#include "controller/app/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "shared/base/text.h"
#include "shared/os/file.h"

namespace berth::controller {

namespace {

constexpr std::array<std::string_view, 6> kCommands = {
    "add-user", "change-password", "reset-password", "add-agent", "remove-agent", "public-key"};

// Where the value of a flag goes; null: no such flag.
std::string* value_of(Options& options, const std::string& flag) {
    const std::array<std::pair<std::string_view, std::string*>, 8> flags = {{
        {"--home", &options.home},
        {"--listen", &options.listen},
        {"--panel-dir", &options.panel_dir},
        {"--ready-file", &options.ready_file},
        {"--role", &options.role},
        {"--endpoint", &options.endpoint},
        {"--key", &options.key},
        {"--timeout", &options.timeout},
    }};
    const auto* const found = std::find_if(
        flags.begin(), flags.end(), [&](const auto& entry) { return entry.first == flag; });
    return found == flags.end() ? nullptr : found->second;
}

// The same for a flag that may be there several times.
std::vector<std::string>* list_of(Options& options, const std::string& flag) {
    if (flag == "--host") {
        return &options.hosts;
    }
    if (flag == "--url") {
        return &options.urls;
    }
    return flag == "--trusted-proxy" ? &options.trusted_proxies : nullptr;
}

Result<void> take_flag(Options& options,
                       const std::vector<std::string>& arguments,
                       std::size_t& i) {
    const std::string& flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
        options.help = true;
        return {};
    }
    if (flag == "--allow-remote") {
        options.allow_remote = true;
        return {};
    }
    if (flag == "--no-wait") {
        options.no_wait = true;
        return {};
    }
    if (flag == "--check-files") {
        options.command = "check-files";
        return {};
    }
    if (flag == "--report-fd") {
        const auto number =
            ++i < arguments.size() ? parse_integer<int>(arguments[i]) : std::nullopt;
        if (!number || *number < 3) {
            return fail(ErrorCode::InvalidArgument, flag + " needs a descriptor");
        }
        options.report_fd = *number;
        return {};
    }
    if (flag == "--quiet") {
        options.quiet = true;
        return {};
    }
    if (std::vector<std::string>* const list = list_of(options, flag)) {
        if (++i == arguments.size() || arguments[i].empty()) {
            return fail(ErrorCode::InvalidArgument, flag + " needs a value");
        }
        list->push_back(arguments[i]);
        return {};
    }
    std::string* const value = value_of(options, flag);
    if (value == nullptr) {
        return fail(ErrorCode::InvalidArgument, "unknown argument \"" + flag + "\"");
    }
    if (++i == arguments.size()) {
        return fail(ErrorCode::InvalidArgument, flag + " needs a value");
    }
    *value = arguments[i];
    return {};
}

Result<void> finish(Options& options) {
    if (!options.command.empty() && options.command != "public-key" &&
        options.command != "check-files" && options.argument.empty()) {
        return fail(ErrorCode::InvalidArgument, options.command + " needs a NAME");
    }
    if (options.home.empty()) {
        const char* const home =
            std::getenv("BERTH_HOME");  // NOLINT(concurrency-mt-unsafe): no threads yet
        options.home = home == nullptr ? "" : home;
    }
    if (options.home.empty()) {
        return fail(ErrorCode::InvalidArgument, "give --home DIR, or set BERTH_HOME");
    }
    options.home = os::absolute_path(options.home);
    return {};
}

}  // namespace

Result<Options> parse_options(const std::vector<std::string>& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (!word.empty() && word.front() == '-') {
            BERTH_CHECK(take_flag(options, arguments, i));
        } else if (options.command.empty() &&
                   std::find(kCommands.begin(), kCommands.end(), word) != kCommands.end()) {
            options.command = word;
        } else if (!options.command.empty() && options.argument.empty()) {
            options.argument = word;
        } else {
            return fail(ErrorCode::InvalidArgument, "unknown argument \"" + word + "\"");
        }
    }
    if (!options.help) {
        BERTH_CHECK(finish(options));
    }
    return options;
}

}  // namespace berth::controller
