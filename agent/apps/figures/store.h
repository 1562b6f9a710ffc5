#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::figures {

// The figures of one app's tree at one moment. Rates are per second since the point before.
struct Point {
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
class Store {
public:
    static Result<std::unique_ptr<Store>> open(const std::string& file);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // One point each of several apps, as one transaction. Of more than a week of points those go
    // now and then that are farthest from it: a clock that is set wrong for a while takes nothing
    // of what was there before. A failure (full disk) loses these points and nothing else.
    void add(const std::vector<std::pair<std::string, Point>>& points);

    // Oldest first; both ends are within.
    std::vector<Point> between(const std::string& app, WallTime from, WallTime until);
    void remove(const std::string& app);

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace berth::figures
