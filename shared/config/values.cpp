#include "shared/config/values.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "shared/base/text.h"
#include "shared/config/instances.h"
#include "shared/cron/cron_time.h"
#include "shared/model/app_status.h"

namespace berth::config {

namespace {

using Refusal = tl::unexpected<std::string>;

struct Unit {
    std::string_view name;
    double factor;
};

// The number at the start of `text` times the unit that is the rest of it.
template <std::size_t N>
std::optional<double> with_unit(std::string_view text, const std::array<Unit, N>& units) {
    double number = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number) || number < 0 || text.starts_with('-')) {
        return std::nullopt;
    }
    const std::string_view rest = trim({end, static_cast<std::size_t>(last - end)});
    for (const Unit& unit : units) {
        if (rest == unit.name) {
            return number * unit.factor;
        }
    }
    return std::nullopt;
}

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_port(std::string_view text) {
    return is_digits(text) && parse_integer<std::uint16_t>(text).value_or(0) >= 1;
}

bool is_host(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) {
        text = text.substr(1, text.size() - 2);
        return !text.empty() &&
               text.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
    }
    return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '-' || c == '_';
    });
}

bool is_address(std::string_view text, bool host_needed, bool port_needed) {
    const std::size_t colon = text.rfind(':');
    const bool has_port = colon != std::string_view::npos && !text.ends_with(']');
    if (!has_port) {
        return !port_needed && is_host(text);
    }
    const std::string_view host = text.substr(0, colon);
    return is_port(text.substr(colon + 1)) && ((host.empty() && !host_needed) || is_host(host));
}

Parsed<std::string> text_if(const TreeNode& node, bool good, std::string_view refusal) {
    if (!good) {
        return Refusal(std::string(refusal));
    }
    return node.text;
}

bool is_text(const TreeNode& node) {
    return node.kind == NodeKind::String;
}

// What stands there for the first of several instances.
std::string as_first(std::string text) {
    const std::size_t at = text.find(kInstancePlaceholder);
    return at == std::string::npos ? text : text.replace(at, kInstancePlaceholder.size(), "1");
}

}  // namespace

Parsed<std::string> Text::operator()(const TreeNode& node) const {
    return text_if(node, is_text(node), "is not a string");
}

Parsed<std::string> Filled::operator()(const TreeNode& node) const {
    return text_if(
        node, is_text(node) && !trim(node.text).empty(), "is not a string with something in it");
}

Parsed<bool> Flag::operator()(const TreeNode& node) const {
    if (node.kind != NodeKind::Bool) {
        return Refusal("is not true or false");
    }
    return node.truth;
}

Parsed<std::int64_t> Whole::operator()(const TreeNode& node) const {
    if (node.kind == NodeKind::Whole && node.whole >= low && node.whole <= high) {
        return node.whole;
    }
    if (high == std::numeric_limits<std::int64_t>::max()) {
        return Refusal(fmt::format("is not a whole number of at least {}", low));
    }
    return Refusal(fmt::format("is not a whole number from {} to {}", low, high));
}

Parsed<double> Number::operator()(const TreeNode& node) const {
    const bool number = node.kind == NodeKind::Whole || node.kind == NodeKind::Float;
    if (number && std::isfinite(node.number) && node.number >= low && node.number <= high) {
        return node.number;
    }
    if (std::isinf(high)) {
        return Refusal(fmt::format("is not a number of at least {}", low));
    }
    return Refusal(fmt::format("is not a number from {} to {}", low, high));
}

Parsed<Duration> DurationText::operator()(const TreeNode& node) const {
    constexpr std::array<Unit, 4> kUnits = {{{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
    constexpr double kLongest = 1000.0 * 86400e9;
    const bool nothing = node.text == "0" && (is_text(node) || node.kind == NodeKind::Whole);
    const std::optional<double> length = nothing         ? std::optional(0.0)
                                         : is_text(node) ? with_unit(node.text, kUnits)
                                                         : std::nullopt;
    if (!length || *length > kLongest) {
        return Refusal("is not a duration like 500ms, 10s, 5m or 1h");
    }
    const Duration duration{std::llround(*length)};
    if (duration < low) {
        return Refusal(fmt::format("is shorter than {}ms", low.count() / 1'000'000));
    }
    return duration;
}

Parsed<std::int64_t> Size::operator()(const TreeNode& node) const {
    constexpr std::array<Unit, 6> kUnits = {{{"", 1},
                                             {"B", 1},
                                             {"KiB", 1024.0},
                                             {"MiB", 1048576.0},
                                             {"GiB", 1073741824.0},
                                             {"TiB", 1099511627776.0}}};
    constexpr double kLargest = 9007199254740992.0;  // up to here doubles hold every byte
    std::optional<double> bytes;
    if (node.kind == NodeKind::Whole) {
        bytes = node.number;
    } else if (is_text(node)) {
        bytes = with_unit(node.text, kUnits);
    }
    if (!bytes || *bytes < 0 || *bytes > kLargest) {
        return Refusal("is not a size like 64KiB, 10MiB or 1GiB, or a number of bytes");
    }
    const std::int64_t size = std::llround(*bytes);
    if (size < low) {
        return Refusal(fmt::format("is less than {} bytes", low));
    }
    return size;
}

Parsed<int> Signal::operator()(const TreeNode& node) const {
    if (is_text(node) || node.kind == NodeKind::Whole) {
        if (const std::optional<int> number = signal_number(node.text)) {
            return *number;
        }
    }
    return Refusal("is not a signal like SIGTERM, SIGINT, SIGHUP or SIGRTMIN+3");
}

Parsed<std::uint32_t> Umask::operator()(const TreeNode& node) const {
    std::uint32_t mask = 0;
    const char* last = node.text.data() + node.text.size();
    const auto [end, error] = std::from_chars(node.text.data(), last, mask, 8);
    if (!is_text(node) || error != std::errc() || end != last || mask > 0777) {
        return Refusal("is not octal digits in quotes, from \"000\" to \"777\"");
    }
    return mask;
}

Parsed<std::string> Id::operator()(const TreeNode& node) const {
    return text_if(
        node, is_text(node) && is_valid_id(node.text), fmt::format("is not an id of {}", kIdRule));
}

Parsed<std::string> LooseId::operator()(const TreeNode& node) const {
    const bool good = (is_text(node) || node.kind == NodeKind::Whole) && is_valid_id(node.text);
    return text_if(node, good, fmt::format("is not an id of {}", kIdRule));
}

Parsed<std::string> Regex::operator()(const TreeNode& node) const {
    if (!is_text(node)) {
        return Refusal("is not a regular expression in a string");
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    const RE2 compiled(node.text, options);
    if (!compiled.ok()) {
        return Refusal("is not a regular expression: " +
                       printable(shortened(compiled.error(), 100)));
    }
    return node.text;
}

Parsed<std::string> Cron::operator()(const TreeNode& node) const {
    if (!is_text(node)) {
        return Refusal("is not a string like \"*/5 * * * *\"");
    }
    if (trim(node.text).empty()) {
        return std::string();
    }
    std::string fault;
    const auto time = cron::CronTime::parse(node.text, fault);
    // Any day will do to look from: what does not come within eight years never does.
    if (time && !time->next(WallTime(std::chrono::hours(24 * 365 * 50)), "UTC")) {
        fault = "it is never due";
    }
    return text_if(node, fault.empty(), "is not a cron time: " + fault);
}

Parsed<std::string> TimeZone::operator()(const TreeNode& node) const {
    const bool good = node.kind == NodeKind::String && node.text.size() <= 64 &&
                      (node.text.empty() || cron::is_time_zone(node.text));
    return text_if(node, good, "is not a time zone of this machine like Europe/Berlin");
}

Parsed<std::string> EnvName::operator()(const TreeNode& node) const {
    return text_if(node,
                   is_text(node) && is_env_name(node.text),
                   "is not letters, digits and _, the first one no digit");
}

Parsed<int> ExitCode::operator()(const TreeNode& node) const {
    if (node.kind == NodeKind::Whole && node.whole >= 0 && node.whole <= 255) {
        return static_cast<int>(node.whole);
    }
    if (is_text(node)) {
        if (const std::optional<int> number = signal_number(node.text)) {
            return -*number;
        }
    }
    return Refusal("is not a whole number from 0 to 255, or a signal like SIGTERM");
}

Parsed<std::string> Address::operator()(const TreeNode& node) const {
    const bool good = is_text(node) &&
                      is_address(as_first(node.text), /*host_needed=*/false, /*port_needed=*/true);
    return text_if(node, good, "is not an address like :8000 or 127.0.0.1:8000");
}

Parsed<std::string> HttpUrl::operator()(const TreeNode& node) const {
    constexpr std::string_view kScheme = "http://";
    const std::string first = as_first(node.text);
    const std::string_view text = first;
    const bool plain =
        is_text(node) && text.starts_with(kScheme) &&
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
    const std::string_view rest = plain ? text.substr(kScheme.size()) : std::string_view();
    const std::string_view host = rest.substr(0, rest.find_first_of("/?#"));
    return text_if(node,
                   plain && is_address(host, /*host_needed=*/true, /*port_needed=*/false),
                   "is not a URL like http://127.0.0.1:8000/health");
}

Parsed<std::string> Account::operator()(const TreeNode& node) const {
    const bool good = is_text(node) && node.text.size() <= 64 && !node.text.starts_with('-') &&
                      std::all_of(node.text.begin(), node.text.end(), [](char c) {
                          return c > ' ' && c != ':' && c != '/' && c != 0x7F;
                      });
    return text_if(node, good, "is not the name of a user or group");
}

Parsed<std::string> Package::operator()(const TreeNode& node) const {
    const bool good =
        is_text(node) && !trim(node.text).empty() && !trim(node.text).starts_with('-');
    return text_if(node, good, "is not the name of a Python package");
}

Parsed<std::string> Version::operator()(const TreeNode& node) const {
    const std::vector<std::string_view> parts = split(node.text, '.');
    const bool dotted = std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
        return is_digits(part) && part.size() <= 9;
    });
    return text_if(node,
                   is_text(node) && (node.text.empty() || dotted),
                   "is not a version in a string, like \"1.0\"");
}

Parsed<std::string> Words::operator()(const TreeNode& node) const {
    if (!is_text(node)) {
        return Refusal("is not a string");
    }
    const auto words = split_words(node.text);
    if (!words) {
        return Refusal("cannot be split into words: " + words.error().message);
    }
    return text_if(
        node, !words->empty() && !words->front().empty(), "is not a string with something in it");
}

Parsed<std::string> InnerPath::operator()(const TreeNode& node) const {
    const std::vector<std::string_view> parts = split(node.text, '/');
    const bool climbs = std::find(parts.begin(), parts.end(), "..") != parts.end();
    const bool good =
        is_text(node) && !trim(node.text).empty() && !node.text.starts_with('/') && !climbs;
    return text_if(node, good, "is not a path inside the app's directory, without \"..\"");
}

Parsed<std::string> EnvText::operator()(const TreeNode& node) const {
    return text_if(
        node, is_text(node) || node.kind == NodeKind::Whole, "is not a string or a whole number");
}

Parsed<InheritEnv> InheritRule::operator()(const TreeNode& node) const {
    if (node.kind == NodeKind::Bool) {
        return InheritEnv{node.truth, {}};
    }
    if (node.kind != NodeKind::List) {
        return Refusal("is not true, false or a list of variables' names");
    }
    InheritEnv inherit;
    for (const TreeNode& item : node.items) {
        auto name = EnvName{}(item);
        if (!name) {
            return Refusal("has an item that " + name.error());
        }
        inherit.names.push_back(*std::move(name));
    }
    return inherit;
}

bool version_after(std::string_view a, std::string_view b) {
    const auto numbers = [](std::string_view text) {
        std::vector<std::uint32_t> parts;
        for (const std::string_view part : split(text, '.')) {
            parts.push_back(parse_integer<std::uint32_t>(part).value_or(0));  // digits, checked
        }
        while (!parts.empty() && parts.back() == 0) {
            parts.pop_back();
        }
        return parts;
    };
    return numbers(a) > numbers(b);
}

bool is_env_name(std::string_view name) {
    return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_';
           });
}

}  // namespace berth::config
