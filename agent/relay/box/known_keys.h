#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <string_view>
#include <unordered_map>

namespace berth::relay {

// A dedupe key that was used, and the messages it stands for, from `first_id` on.
struct UsedKey {
    std::uint64_t first_id = 0;
    std::uint64_t count = 0;
    std::uint64_t time_ms = 0;  // when; Unix time, but for jumps of the clock
    std::string_view key;       // names sender, receiver and key
};

// Dedupe keys that were used, and the messages they stand for. A key is known by its fingerprint:
// 128 bits of SipHash under a secret of this process, so that nobody can make two keys that are
// taken for one, and chance does not either.
class KnownKeys {
public:
    struct Fingerprint {
        std::uint64_t low = 0;
        std::uint64_t high = 0;

        bool operator==(const Fingerprint&) const = default;
    };

    // The messages `first_id` to `first_id` + `count` - 1.
    struct Use {
        std::uint64_t first_id = 0;
        std::uint64_t count = 0;
    };

    KnownKeys();

    // `key` as known_key() makes it.
    [[nodiscard]] Fingerprint fingerprint(std::string_view key) const;

    // Null: not known.
    [[nodiscard]] const Use* find(const Fingerprint& key) const;
    void put(const Fingerprint& key, const Use& use);  // in place of its use before, if any
    void erase(const Fingerprint& key);

private:
    struct Hash {
        std::size_t operator()(const Fingerprint& key) const noexcept { return key.low; }
    };

    std::array<unsigned char, 16> secret_{};
    std::pmr::unsynchronized_pool_resource nodes_;
    std::pmr::unordered_map<Fingerprint, Use, Hash> uses_{&nodes_};
};

}  // namespace berth::relay
