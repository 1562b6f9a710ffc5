#pragma once

#include <cstdint>
#include <optional>

#include "shared/time/clock.h"

namespace berth::backend {

// How much of them is asked for: Full costs a few more files of /proc a process.
enum class Detail : std::uint8_t { Usual, Full };

// The figures of one app's tree.
struct Sample {
    std::optional<double> cpu_percent;  // of one core
    std::optional<std::uint64_t> rss_bytes;
    std::optional<std::uint32_t> processes;
    std::uint32_t threads = 0;
    std::uint64_t pss_bytes = 0;  // these four with Detail::Full alone; 0: may not be read
    std::uint32_t descriptors = 0;
    std::uint64_t read_bytes = 0;  // of those that live
    std::uint64_t write_bytes = 0;

    // Of its mailbox, filled in by who knows it.
    std::uint64_t messages = 0;
    std::uint64_t messages_received = 0;
    std::uint64_t messages_taken = 0;

    std::uint64_t cpu_ticks = 0;  // of the tree when it was sampled
    std::int32_t leader = 0;
    MonoTime at;
};

}  // namespace berth::backend
