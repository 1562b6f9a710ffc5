#include "shared/os/wall_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "shared/os/os_error.h"

namespace berth::os {

Result<UniqueFd> make_wall_timer() {
    UniqueFd timer(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer.valid()) {
        return fail(last_error("make a timer"));
    }
    return timer;
}

void arm_wall_timer(const UniqueFd& timer, const std::optional<WallTime>& when) {
    itimerspec spec{};
    if (when) {
        // All zero would disarm it.
        const std::int64_t ns = std::max<std::int64_t>(when->time_since_epoch().count(), 1);
        spec.it_value.tv_sec = ns / 1'000'000'000;
        spec.it_value.tv_nsec = ns % 1'000'000'000;
    }
    // Cannot fail for a timer of ours and a time in range.
    (void)::timerfd_settime(
        timer.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, nullptr);
}

void clear_wall_timer(const UniqueFd& timer) {
    std::uint64_t expirations = 0;
    // ECANCELED says that the clock was set, which is what the caller is woken for.
    (void)!::read(timer.get(), &expirations, sizeof expirations);
}

}  // namespace berth::os
