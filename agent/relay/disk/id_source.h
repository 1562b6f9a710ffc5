#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace berth::relay {

// The ids of messages. None is given twice, also after a restart, when the disk has forgotten the
// messages that had the latest ones: ids are reserved on the disk ahead of their use, many at once,
// and the next run begins behind all that were reserved. Pure.
class IdSource {
public:
    // `reserved`: what the disk has, from reserve() of an earlier run; 1 at first.
    void begin_at(std::uint64_t reserved) { next_ = reserved; }

    // This one is in use; no id up to it is given.
    void used(std::uint64_t id) { next_ = std::max(next_, id + 1); }

    // The next that is given.
    [[nodiscard]] std::uint64_t next() const { return next_; }

    // The first of `count` that follow each other.
    std::uint64_t take(std::size_t count) {
        const std::uint64_t first = next_;
        next_ += count;
        return first;
    }

    // Reserves more when few are left. The number is for the disk, with whatever goes there next:
    // half of what is reserved may be given until it is there. Unset: enough are reserved.
    [[nodiscard]] std::optional<std::uint64_t> reserve() {
        if (next_ + kReserve / 2 <= reserved_) {
            return std::nullopt;
        }
        reserved_ = next_ + kReserve;
        return reserved_;
    }

private:
    static constexpr std::uint64_t kReserve = 1U << 20U;

    std::uint64_t next_ = 1;
    std::uint64_t reserved_ = 0;  // ids below it are
};

}  // namespace berth::relay
