#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "shared/time/clock.h"

namespace berth::relay {

// How often something happens: counts of the last ten seconds, one place each. Pure.
class RateMeter {
public:
    void add(MonoTime now, std::uint64_t count) {
        const std::int64_t second = second_of(now);
        Place& place = places_[static_cast<std::size_t>(second) % places_.size()];
        if (place.second != second) {
            place = {second, 0};
        }
        place.count += count;
    }

    // The mean of the ten whole seconds before `now`.
    [[nodiscard]] double per_second(MonoTime now) const {
        const std::int64_t second = second_of(now);
        std::uint64_t sum = 0;
        for (const Place& place : places_) {
            sum += place.second >= second - static_cast<std::int64_t>(kSeconds) &&
                           place.second < second
                       ? place.count
                       : 0;
        }
        return static_cast<double>(sum) / static_cast<double>(kSeconds);
    }

private:
    static constexpr std::size_t kSeconds = 10;

    struct Place {
        std::int64_t second = -1;
        std::uint64_t count = 0;
    };

    static std::int64_t second_of(MonoTime time) {
        return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    }

    // One more than are summed: the second that still runs has its own.
    std::array<Place, kSeconds + 1> places_;
};

}  // namespace berth::relay
