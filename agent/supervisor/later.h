#pragma once

#include "shared/time/clock.h"

namespace berth::supervisor {

// `delay` after `time`; before it, when negative.
inline MonoTime later(MonoTime time, Duration delay) {
    return time + std::chrono::duration_cast<MonoClock::duration>(delay);
}

}  // namespace berth::supervisor
