#pragma once

#include <map>
#include <string>

#include "shared/time/clock.h"

namespace berth::access {

// Slows down who guesses: after some free tries each failure doubles the wait until the next, up to
// a minute, for whatever the key names. Never a lock-out for ever. Success forgets. Bounded: the
// entries that were quiet longest go first. One thread at a time.
class Throttle {
public:
    struct Policy {
        std::uint32_t free_tries = 4;
        Duration first_wait = std::chrono::seconds(1);
        Duration longest_wait = std::chrono::seconds(60);
        Duration forget_after = std::chrono::minutes(15);
        std::size_t max_entries = 10'000;
    };

    Throttle() = default;

    explicit Throttle(const Policy& policy) : policy_(policy) {}

    // How long `key` has to wait before its next try; zero: it may try.
    [[nodiscard]] Duration wait(const std::string& key, MonoTime now) const;

    // `free_tries`: other than the policy's, for this key now.
    void failed(const std::string& key, MonoTime now) { failed(key, now, policy_.free_tries); }

    void failed(const std::string& key, MonoTime now, std::uint32_t free_tries);

    // How many failures of this key are not forgotten.
    [[nodiscard]] std::uint32_t failures(const std::string& key, MonoTime now) const;

    void succeeded(const std::string& key) { entries_.erase(key); }

    [[nodiscard]] std::size_t entries() const { return entries_.size(); }

private:
    struct Entry {
        std::uint32_t failures = 0;
        MonoTime last;
        MonoTime free_at;
    };

    void make_room(MonoTime now);

    Policy policy_;
    std::map<std::string, Entry> entries_;
};

}  // namespace berth::access
