#include "agent/cli/durations.h"

#include <time.h>

#include <charconv>
#include <utility>

#include "shared/base/text.h"

namespace berth::cli {

Result<Duration> parse_duration(const std::string& text) {
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits = {{
        {"ms", 1'000'000},
        {"s", 1'000'000'000},
        {"m", 60'000'000'000},
        {"h", 3'600'000'000'000},
        {"d", 86'400'000'000'000},
    }};
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const auto& [name, nanoseconds] : kUnits) {
        if (error == std::errc() && unit == name && number >= 0 && number < 1e6) {
            return Duration(static_cast<std::int64_t>(number * static_cast<double>(nanoseconds)));
        }
    }
    return fail(ErrorCode::InvalidArgument,
                "\"" + text + "\" is not a duration like 500ms, 10s, 5m, 1h or 2d");
}

Result<WallTime> parse_moment(const std::string& text, WallTime now) {
    if (const auto ago = parse_duration(text)) {
        return now - *ago;
    }
    if (const auto time = parse_rfc3339_utc(text)) {
        return *time;
    }
    const std::time_t today =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    for (const char* const format :
         {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"}) {
        std::tm parts{};
        if (format[1] == 'H') {
            (void)::localtime_r(&today, &parts);  // a time of today
        }
        parts.tm_sec = 0;
        parts.tm_isdst = -1;
        const char* const end = ::strptime(text.c_str(), format, &parts);
        if (end != nullptr && *end == '\0') {
            return WallTime(std::chrono::seconds(::mktime(&parts)));
        }
    }
    return fail(ErrorCode::InvalidArgument,
                "\"" + text +
                    "\" is not a time like 10m (ago), 14:02 (today), 2026-11-24T10:00:00Z or "
                    "\"2026-11-24 10:00:00\"");
}

Result<std::size_t> parse_count(const std::string& text) {
    const auto count = parse_integer<std::size_t>(text);
    if (!count || *count > 1'000'000) {
        return fail(ErrorCode::InvalidArgument,
                    "\"" + text + "\" is not a number from 0 to 1000000");
    }
    return *count;
}

}  // namespace berth::cli
