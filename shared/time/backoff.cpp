#include "shared/time/backoff.h"

#include <algorithm>
#include <cmath>

namespace berth {

Duration backoff_delay(const BackoffPolicy& policy, std::uint32_t attempt, double random) {
    const double limit = static_cast<double>(policy.max_delay.count());
    const double grown = static_cast<double>(policy.delay.count()) *
                         std::pow(policy.factor, static_cast<double>(attempt));
    const double capped = std::min(grown, limit);
    const double moved = capped * (1.0 + policy.jitter * (2.0 * random - 1.0));
    return Duration(static_cast<Duration::rep>(std::clamp(moved, 0.0, limit)));
}

}  // namespace berth
