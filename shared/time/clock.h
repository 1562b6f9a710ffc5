#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace berth {

// Monotonic time, for intervals, deadlines and timers. Not comparable over processes or boots.
using MonoClock = std::chrono::steady_clock;
using MonoTime = std::chrono::time_point<MonoClock, std::chrono::nanoseconds>;
static_assert(std::is_same_v<MonoTime, MonoClock::time_point>, "a Duration adds to a MonoTime");

// Wall time, for display and storage only: it can jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

using Duration = std::chrono::nanoseconds;

// All clocks at one moment. Read once per loop turn, so that all decisions of a turn agree.
struct Now {
    MonoTime mono;
    WallTime wall;
    Duration boot{};  // since the machine was booted; unlike `mono` it goes on while that sleeps
};

Now read_clocks();

// Notices when somebody sets the wall clock.
class ClockWatch {
public:
    explicit ClockWatch(const Now& now) : began_(now.wall - now.boot) {}

    // By how much it was set since this was asked last; zero: it went on as it should, or nearly
    // so.
    Duration set_by(const Now& now);

private:
    WallTime began_;  // when the machine was booted, by the wall clock
};

// "2026-11-22T10:00:00.123456789Z"; `fraction_digits` 0 to 9.
std::string rfc3339_utc(WallTime time, int fraction_digits = 9);

// The time that such a text says: "2026-11-22T10:00:00Z", with up to nine digits of a fraction.
// Nothing: it has another shape, or there is no such moment.
std::optional<WallTime> parse_rfc3339_utc(std::string_view text);

// "2026-11-22 10:00:00" in the zone of this process.
std::string local_time(WallTime time);

// "0:01:03", "2 days, 0:01:03".
std::string elapsed_text(Duration duration);

// A duration for people: "850 ms", "7.6 s", "3 min", "2 h", "5 d". A negative one, of a clock that
// was set back, is "0 ms".
std::string short_duration(Duration duration);

}  // namespace berth
