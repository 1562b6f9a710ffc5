#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "shared/time/clock.h"

namespace berth::relay {

// How often something happens: counts of the last ten seconds, one place each. Pure.
class RateMeter {
public:
    void add(MonoTime now, std::size_t count) {
        const std::uint32_t second = second_of(now);
        Place& place = places_[second % places_.size()];
        if (place.second != second) {
            place = {second, 0};
        }
        place.count += static_cast<std::uint32_t>(count);
    }

    // The mean of the ten whole seconds before `now`.
    [[nodiscard]] double per_second(MonoTime now) const {
        const std::uint32_t second = second_of(now);
        std::uint64_t sum = 0;
        for (const Place& place : places_) {
            const bool within = place.second < second && second - place.second <= kSeconds;
            sum += within ? place.count : 0;
        }
        return static_cast<double>(sum) / static_cast<double>(kSeconds);
    }

private:
    static constexpr std::size_t kSeconds = 10;

    struct Place {
        std::uint32_t second = 0;
        std::uint32_t count = 0;
    };

    static std::uint32_t second_of(MonoTime time) {
        return static_cast<std::uint32_t>(
            std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
    }

    // One more than are summed: the second that still runs has its own.
    std::array<Place, kSeconds + 1> places_;
};

}  // namespace berth::relay
