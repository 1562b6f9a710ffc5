#include "controller/service/refusals.h"

#include <utility>

namespace berth::service {

namespace {

constexpr Duration kWindow = std::chrono::minutes(1);
constexpr std::uint64_t kMost = 30;

}  // namespace

std::optional<std::uint64_t> Refusals::admit(MonoTime now) {
    return state_.with([now](State& state) -> std::optional<std::uint64_t> {
        if (now - state.since >= kWindow) {
            state.since = now;
            state.written = 0;
        }
        if (state.written >= kMost) {
            ++state.passed_over;
            return std::nullopt;
        }
        ++state.written;
        return std::exchange(state.passed_over, 0);
    });
}

}  // namespace berth::service
