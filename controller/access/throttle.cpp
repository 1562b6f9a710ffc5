#include "controller/access/throttle.h"

#include <algorithm>

namespace berth::access {

Duration Throttle::wait(const std::string& key, MonoTime now) const {
    const auto found = entries_.find(key);
    if (found == entries_.end() || found->second.free_at <= now) {
        return Duration::zero();
    }
    return found->second.free_at - now;
}

std::uint32_t Throttle::failures(const std::string& key, MonoTime now) const {
    const auto found = entries_.find(key);
    return found == entries_.end() || found->second.last + policy_.forget_after < now
               ? 0
               : found->second.failures;
}

void Throttle::failed(const std::string& key, MonoTime now, std::uint32_t free_tries) {
    if (entries_.count(key) == 0 && entries_.size() >= policy_.max_entries) {
        make_room(now);
    }
    Entry& entry = entries_[key];
    if (entry.last + policy_.forget_after < now) {
        entry.failures = 0;
    }
    entry.last = now;
    ++entry.failures;
    Duration delay = Duration::zero();
    if (entry.failures > free_tries) {
        const auto doublings = std::min<std::uint32_t>(entry.failures - free_tries - 1, 20);
        delay = std::min<Duration>(policy_.first_wait * (1U << doublings), policy_.longest_wait);
    }
    entry.free_at = now + delay;
}

void Throttle::make_room(MonoTime now) {
    std::erase_if(entries_, [&](const auto& entry) {
        return entry.second.last + policy_.forget_after < now;
    });
    if (entries_.size() >= policy_.max_entries) {
        entries_.erase(
            std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
                return a.second.last < b.second.last;
            }));
    }
}

}  // namespace berth::access
