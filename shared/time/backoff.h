#pragma once

#include <cstdint>

#include "shared/time/clock.h"

namespace berth {

// How long to wait before a try: grows by `factor` from `delay` to `max_delay`, then moved by up to
// ± `jitter` of itself, so that many failing at once do not try again at once.
struct BackoffPolicy {
    Duration delay = std::chrono::seconds(1);
    double factor = 2.0;
    Duration max_delay = std::chrono::seconds(60);
    double jitter = 0.1;  // 0 to 1

    friend bool operator==(const BackoffPolicy&, const BackoffPolicy&) = default;
};

// The wait before try number `attempt` (0 is the first). `random` is uniform in [0, 1).
Duration backoff_delay(const BackoffPolicy& policy, std::uint32_t attempt, double random);

}  // namespace berth
