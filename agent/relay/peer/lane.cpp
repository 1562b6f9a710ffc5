#include "agent/relay/peer/lane.h"

#include <algorithm>

namespace berth::relay {

void Lanes::restore(const Batch::Lane& row) {
    Lane& lane = lanes_[{row.agent, row.epoch, row.from, row.to}];
    lane.row = row;
    lane.settled = row.last;
}

Lane& Lanes::need(std::string_view agent,
                  std::string_view epoch,
                  std::string_view from,
                  std::string_view to) {
    Key key{std::string(agent), std::string(epoch), std::string(from), std::string(to)};
    const auto [at, made] = lanes_.try_emplace(std::move(key));
    if (made) {
        at->second.row = {at->first[0], at->first[1], at->first[2], at->first[3], 0, 0};
    }
    return at->second;
}

Lanes::Place Lanes::place(const Lane& lane, std::uint64_t id, std::uint64_t before) {
    if (id <= lane.row.last) {
        return Place::Known;
    }
    return before <= lane.row.last ? Place::Next : Place::Gap;
}

std::vector<Batch::Lane> Lanes::drop_old() {
    std::vector<Batch::Lane> dropped;
    if (lanes_.size() <= most_) {
        return dropped;
    }
    std::vector<std::uint64_t> times;
    times.reserve(lanes_.size());
    for (const auto& [key, lane] : lanes_) {
        times.push_back(lane.row.used_ms);
    }
    // A tenth more than must be, so that this is not done for each new one.
    const std::size_t surplus = lanes_.size() - most_ + most_ / 10;
    const auto oldest = times.begin() + static_cast<std::ptrdiff_t>(surplus);
    std::nth_element(times.begin(), oldest, times.end());
    std::erase_if(lanes_, [&](const auto& entry) {
        const Lane& lane = entry.second;
        const bool old = lane.row.used_ms < *oldest && lane.on_the_way == 0 && !lane.dirty;
        if (old) {
            dropped.push_back(lane.row);
        }
        return old;
    });
    return dropped;
}

}  // namespace berth::relay
