#include "agent/relay/box/dedupe_index.h"

namespace berth::relay {

DedupeIndex::DedupeIndex(const Limits& limits)
    : limits_(limits),
      known_for_ms_(static_cast<std::uint64_t>(limits.known_for / std::chrono::milliseconds(1))) {}

void DedupeIndex::remember(SenderKeys& sender,
                           const KnownKeys::Fingerprint& key,
                           const UsedKey& used) {
    known_.put(key, {used.first_id, used.count});
    sender.emplace_back(key, used.time_ms);
    while (sender.size() > limits_.per_sender ||
           sender.front().second + known_for_ms_ < used.time_ms) {
        known_.erase(sender.front().first);
        sender.pop_front();
    }
}

void DedupeIndex::note_stored(const UsedKey& used) {
    constexpr std::size_t kTogether = 1000;
    ++stored_count_;
    if (!stored_.empty() && stored_.back().count < kTogether) {
        StoredKeys& last = stored_.back();
        last = {used.first_id, last.count + 1, used.time_ms};
    } else {
        stored_.push_back({used.first_id, 1, used.time_ms});
    }
}

std::uint64_t DedupeIndex::forget_stored(std::uint64_t now_ms) {
    std::uint64_t forgotten_below = 0;
    while (!stored_.empty() &&
           (stored_count_ > limits_.stored || stored_.front().time_ms + known_for_ms_ < now_ms)) {
        forgotten_below = stored_.front().last_id + 1;
        stored_count_ -= stored_.front().count;
        stored_.pop_front();
    }
    return forgotten_below;
}

bool DedupeIndex::are_old(const SenderKeys& sender, std::uint64_t now_ms) const {
    return sender.empty() || sender.back().second + known_for_ms_ < now_ms;
}

void DedupeIndex::forget_all(const SenderKeys& sender) {
    for (const auto& [key, time_ms] : sender) {
        known_.erase(key);
    }
}

}  // namespace berth::relay
