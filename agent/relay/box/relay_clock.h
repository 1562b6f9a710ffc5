#pragma once

#include <chrono>
#include <cstdint>

#include "shared/loop/event_loop.h"

namespace berth::relay {

// The time of the present turn, in the units of the protocol.
class RelayClock {
public:
    explicit RelayClock(loop::EventLoop& loop)
        : loop_(loop), booted_(loop.now().wall - loop.now().boot) {}

    [[nodiscard]] MonoTime mono() const { return loop_.now().mono; }

    [[nodiscard]] WallTime wall() const { return loop_.now().wall; }

    // Unix time.
    [[nodiscard]] std::uint64_t unix_ms() const { return in_ms(wall()); }

    // The same while nobody sets the clock: a jump makes no key older than it is.
    [[nodiscard]] std::uint64_t key_ms() const { return in_ms(booted_ + loop_.now().boot); }

private:
    static std::uint64_t in_ms(WallTime time) {
        return static_cast<std::uint64_t>(time.time_since_epoch() / std::chrono::milliseconds(1));
    }

    loop::EventLoop& loop_;
    WallTime booted_;  // by the wall clock of our begin
};

}  // namespace berth::relay
