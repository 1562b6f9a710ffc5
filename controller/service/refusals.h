#pragma once

#include <cstdint>
#include <optional>

#include "shared/base/guarded.h"
#include "shared/time/clock.h"

namespace berth::service {

// Which refused log-ins are written into the audit log: thirty a minute. The others are counted,
// and the next one that is written says how many they were: strangers choose how often they try,
// and must not choose how fast the log grows. Any thread.
class Refusals {
public:
    // How many were passed over since the last one that was written. Nothing: this one is, too.
    std::optional<std::uint64_t> admit(MonoTime now);

private:
    struct State {
        MonoTime since;  // the minute that is counted
        std::uint64_t written = 0;
        std::uint64_t passed_over = 0;
    };

    Guarded<State> state_;
};

}  // namespace berth::service
