#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::store {

// The figures of one app's tree at one moment. Rates are per second since the point before.
struct MetricPoint {
    WallTime time;
    double cpu_percent = 0;  // of one core
    std::uint64_t rss_bytes = 0;
    std::uint64_t pss_bytes = 0;  // 0: not known
    std::uint32_t processes = 0;
    std::uint32_t threads = 0;
    std::uint32_t descriptors = 0;
    double read_rate = 0;  // bytes from storage
    double write_rate = 0;
    std::uint32_t messages = 0;  // that wait in its mailbox
    double messages_in = 0;
    double messages_out = 0;
};

// A week of figures, in a database of its own: a power cut may take the last ones, never the state.
// Loop thread.
class MetricsStore {
public:
    static Result<std::unique_ptr<MetricsStore>> open(const std::string& file);
    ~MetricsStore();
    MetricsStore(const MetricsStore&) = delete;
    MetricsStore& operator=(const MetricsStore&) = delete;

    // One point each of several apps, as one transaction. Of more than a week of points those go
    // now and then that are farthest from it: a clock that is set wrong for a while takes nothing
    // of what was there before. A failure (full disk) loses these points and nothing else.
    void add(const std::vector<std::pair<std::string, MetricPoint>>& points);

    // Oldest first; both ends are within.
    std::vector<MetricPoint> between(const std::string& app, WallTime from, WallTime until);
    void remove(const std::string& app);

private:
    struct Impl;
    explicit MetricsStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
