#pragma once

#include <optional>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"
#include "shared/time/clock.h"

namespace berth::os {

// A descriptor that is readable at a time of the wall clock, and also when somebody sets that
// clock while it is armed. It counts the time that the machine sleeps.
Result<UniqueFd> make_wall_timer();

// Nothing: disarms it. A time that has passed makes it readable at once.
void arm_wall_timer(const UniqueFd& timer, const std::optional<WallTime>& when);

// After it was readable.
void clear_wall_timer(const UniqueFd& timer);

}  // namespace berth::os
