#pragma once

#include <mutex>
#include <utility>

namespace berth {

// A value that threads share, reachable only under its lock.
template <class T>
class Guarded {
public:
    Guarded() = default;

    template <class... Args>
    explicit Guarded(std::in_place_t, Args&&... args) : value_(std::forward<Args>(args)...) {}

    // What `use` gives, called with the value under the lock. `use` must not lock anything else of
    // ours.
    template <class Use>
    decltype(auto) with(Use&& use) {
        const std::lock_guard lock(mutex_);
        return std::forward<Use>(use)(value_);
    }

    template <class Use>
    decltype(auto) with(Use&& use) const {
        const std::lock_guard lock(mutex_);
        return std::forward<Use>(use)(value_);
    }

private:
    mutable std::mutex mutex_;
    T value_{};
};

}  // namespace berth
