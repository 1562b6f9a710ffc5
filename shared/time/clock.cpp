#include "shared/time/clock.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>

namespace berth {

namespace {

constexpr Duration kNoticed = std::chrono::seconds(1);

std::tm broken_down(WallTime time, bool local) {
    const std::time_t seconds =
        std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    std::tm parts{};
    if (local) {
        (void)localtime_r(&seconds, &parts);  // fails only for years beyond int
    } else {
        (void)gmtime_r(&seconds, &parts);
    }
    return parts;
}

// The digits at text[from, from + count) as a number; -1 when they are none.
int digits(std::string_view text, std::size_t from, std::size_t count) {
    int value = 0;
    for (std::size_t i = from; i < from + count; ++i) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

}  // namespace

Now read_clocks() {
    timespec boot{};
    (void)::clock_gettime(CLOCK_BOOTTIME, &boot);  // cannot fail
    return {MonoClock::now(),
            std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()),
            std::chrono::seconds(boot.tv_sec) + Duration(boot.tv_nsec)};
}

Duration ClockWatch::set_by(const Now& now) {
    const WallTime began = now.wall - now.boot;
    const Duration by = began - began_;
    if (std::chrono::abs(by) < kNoticed) {
        return Duration::zero();
    }
    began_ = began;
    return by;
}

std::string rfc3339_utc(WallTime time, int fraction_digits) {
    const std::tm parts = broken_down(time, /*local=*/false);
    const auto fraction = time - std::chrono::floor<std::chrono::seconds>(time);
    std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                                   parts.tm_year + 1900,
                                   parts.tm_mon + 1,
                                   parts.tm_mday,
                                   parts.tm_hour,
                                   parts.tm_min,
                                   parts.tm_sec);
    if (fraction_digits > 0) {
        const std::string nanoseconds = fmt::format("{:09}", fraction.count());
        text += '.';
        text += std::string_view(nanoseconds).substr(0, static_cast<std::size_t>(fraction_digits));
    }
    return text + 'Z';
}

std::optional<WallTime> parse_rfc3339_utc(std::string_view text) {
    constexpr std::size_t kSeconds = 19;  // "2026-11-22T10:00:00"
    constexpr std::size_t kMostDigits = 9;
    if (text.size() < kSeconds + 1 || text.back() != 'Z' || text[4] != '-' || text[7] != '-' ||
        text[10] != 'T' || text[13] != ':' || text[16] != ':') {
        return std::nullopt;
    }
    std::tm parts{};
    parts.tm_year = digits(text, 0, 4) - 1900;
    parts.tm_mon = digits(text, 5, 2) - 1;
    parts.tm_mday = digits(text, 8, 2);
    parts.tm_hour = digits(text, 11, 2);
    parts.tm_min = digits(text, 14, 2);
    parts.tm_sec = digits(text, 17, 2);
    const bool whole = parts.tm_year >= 0 && parts.tm_mon >= 0 && parts.tm_mon < 12 &&
                       parts.tm_mday > 0 && parts.tm_mday < 32 && parts.tm_hour >= 0 &&
                       parts.tm_hour < 24 && parts.tm_min >= 0 && parts.tm_min < 60 &&
                       parts.tm_sec >= 0 && parts.tm_sec < 61;
    std::int64_t nanoseconds = 0;
    if (text.size() > kSeconds + 1) {
        const std::size_t count = text.size() - kSeconds - 2;
        if (text[kSeconds] != '.' || count < 1 || count > kMostDigits) {
            return std::nullopt;
        }
        nanoseconds = digits(text, kSeconds + 1, count);
        for (std::size_t i = count; i < kMostDigits && nanoseconds >= 0; ++i) {
            nanoseconds *= 10;
        }
    }
    if (!whole || nanoseconds < 0) {
        return std::nullopt;
    }
    return WallTime(std::chrono::seconds(::timegm(&parts)) + Duration(nanoseconds));
}

std::string local_time(WallTime time) {
    const std::tm parts = broken_down(time, /*local=*/true);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                       parts.tm_year + 1900,
                       parts.tm_mon + 1,
                       parts.tm_mday,
                       parts.tm_hour,
                       parts.tm_min,
                       parts.tm_sec);
}

std::string elapsed_text(Duration duration) {
    auto seconds =
        std::max<std::int64_t>(0, std::chrono::floor<std::chrono::seconds>(duration).count());
    const std::int64_t days = seconds / 86400;
    seconds %= 86400;
    const std::string clock =
        fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if (days == 0) {
        return clock;
    }
    return fmt::format("{} day{}, {}", days, days == 1 ? "" : "s", clock);
}

std::string short_duration(Duration duration) {
    const double seconds = std::max(0.0, std::chrono::duration<double>(duration).count());
    if (seconds < 0.9995) {
        return fmt::format("{:.0f} ms", seconds * 1000);
    }
    if (seconds < 10) {
        return fmt::format("{:.1f} s", seconds);
    }
    if (seconds < 120) {
        return fmt::format("{:.0f} s", seconds);
    }
    if (seconds < 7200) {
        return fmt::format("{:.0f} min", seconds / 60);
    }
    if (seconds < 172800) {
        return fmt::format("{:.0f} h", seconds / 3600);
    }
    return fmt::format("{:.0f} d", seconds / 86400);
}

}  // namespace berth
