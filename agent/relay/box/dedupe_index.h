#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "agent/relay/box/known_keys.h"
#include "shared/time/clock.h"

namespace berth::relay {

// The keys that one app has used, oldest first, and when (UsedKey::time_ms).
using SenderKeys = std::deque<std::pair<KnownKeys::Fingerprint, std::uint64_t>>;

// Which dedupe keys are known: in memory each sender's latest, so that a busy one does not make
// others forgotten; and, in rough, what the disk has of them, which forgets them in the order of
// their ids. Pure.
class DedupeIndex {
public:
    struct Limits {
        std::size_t per_sender = 20'000;
        std::size_t stored = 1'000'000;  // of all, on the disk
        Duration known_for = std::chrono::minutes(15);
    };

    explicit DedupeIndex(const Limits& limits);

    // `key` as known_key() makes it.
    [[nodiscard]] KnownKeys::Fingerprint fingerprint(std::string_view key) const {
        return known_.fingerprint(key);
    }

    // Null: not known.
    [[nodiscard]] const KnownKeys::Use* find(const KnownKeys::Fingerprint& key) const {
        return known_.find(key);
    }

    // A key was used. `sender`: the keys of who has used it.
    void remember(SenderKeys& sender, const KnownKeys::Fingerprint& key, const UsedKey& used);

    // The disk has, or gets, this key.
    void note_stored(const UsedKey& used);

    // Gives below which first id the disk may forget keys at `now_ms`; 0: none.
    std::uint64_t forget_stored(std::uint64_t now_ms);

    // It was not used after all.
    void forget(const KnownKeys::Fingerprint& key) { known_.erase(key); }

    // None of these counts any more at `now_ms`.
    [[nodiscard]] bool are_old(const SenderKeys& sender, std::uint64_t now_ms) const;

    void forget_all(const SenderKeys& sender);

private:
    // Keys that the disk holds, a thousand at most; `last_id` and the time are the latest's.
    struct StoredKeys {
        std::uint64_t last_id = 0;
        std::size_t count = 0;
        std::uint64_t time_ms = 0;
    };

    Limits limits_;
    std::uint64_t known_for_ms_;
    KnownKeys known_;
    std::deque<StoredKeys> stored_;  // oldest first
    std::size_t stored_count_ = 0;
};

}  // namespace berth::relay
