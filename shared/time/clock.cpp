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
