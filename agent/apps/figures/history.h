#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/apps/figures/store.h"
#include "agent/backend/sample.h"
#include "shared/time/clock.h"

namespace berth::figures {

using backend::Sample;

// What the figures of the apps were: the last hour in memory (720 points of 44 bytes an app, only
// of apps that were sampled), a week in the store.
class History {
public:
    explicit History(Store* store) : store_(store) {}

    // A sample of the hour. The first one of a run has no rates.
    void add(const std::string& app, const Sample& sample, WallTime now);

    // The mean of what was added since the last call goes to the store as one point an app.
    void keep(WallTime now);

    // From memory when it reaches back that far, else from the store. Oldest first.
    [[nodiscard]] std::vector<Point> since(const std::string& app,
                                           WallTime from,
                                           WallTime now) const;

    // The last `count` points of the hour.
    [[nodiscard]] std::vector<Point> last(const std::string& app, std::size_t count) const;
    void remove(const std::string& app);

    // The wall clock was set: what is in memory is told by the new one.
    void clock_set(Duration by);

private:
    struct Packed {
        std::uint32_t seconds;
        float cpu;
        std::uint32_t rss_kib;
        std::uint32_t pss_kib;
        std::uint16_t processes;
        std::uint16_t threads;
        std::uint32_t descriptors;
        float read;
        float write;
        std::uint32_t messages;
        float messages_in;
        float messages_out;
    };

    struct Series {
        std::vector<Packed> ring;  // at most kHour
        std::size_t next = 0;
        std::int32_t leader = 0;
        MonoTime at;
        std::uint64_t read_bytes = 0;
        std::uint64_t write_bytes = 0;
        std::uint64_t messages_received = 0;
        std::uint64_t messages_taken = 0;
        // Since the last keep().
        Point sum;
        std::uint32_t summed = 0;
    };

    static Point unpacked(const Packed& packed);
    static std::vector<Point> in_order(const Series& series);

    Store* store_;  // null: the week is not kept
    std::map<std::string, Series> series_;
};

}  // namespace berth::figures
