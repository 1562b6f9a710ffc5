#pragma once

namespace berth {

[[noreturn]] void ensure_failed(const char* condition, const char* why, const char* file, int line);

}  // namespace berth

// Aborts in all builds when `cond` does not hold: a bug of ours, never bad input. `why` says why it
// is expected to hold.
#define ENSURE(cond, why)                                             \
    do {                                                              \
        if (!(cond)) [[unlikely]] {                                   \
            ::berth::ensure_failed(#cond, (why), __FILE__, __LINE__); \
        }                                                             \
    } while (false)
