#include "agent/supervisor/retries.h"

#include <algorithm>

#include "shared/time/backoff.h"

namespace berth::supervisor {

bool is_success(const RestartSpec& restart, const std::optional<ExitStatus>& exit) {
    if (!exit) {
        return false;
    }
    if (exit->kind == ExitKind::Unknown) {
        return restart.unknown == UnknownEnd::Success;
    }
    const auto& good = restart.success_codes;
    return std::find(good.begin(), good.end(), spmi_exit_code(exit)) != good.end();
}

void Retries::begin_anew() {
    attempt_ = 0;
    restarts_ = 0;
    recent_.clear();
}

std::optional<Duration> Retries::next(const RestartSpec& restart,
                                      MonoTime began,
                                      MonoTime now,
                                      double random) {
    if (now - began >= restart.reset_after) {
        attempt_ = 0;
    }
    std::erase_if(recent_, [&](MonoTime time) { return now - time > restart.window; });
    if (restart.max_restarts > 0) {
        if (recent_.size() >= restart.max_restarts) {
            return std::nullopt;
        }
        recent_.push_back(now);
    }
    return backoff_delay(restart.backoff, attempt_++, random);
}

Duration Retries::present(const RestartSpec& restart) const {
    return backoff_delay(restart.backoff, attempt_ > 0 ? attempt_ - 1 : 0, 0.5);
}

std::vector<WallTime> Retries::recent_times(const Now& now) const {
    std::vector<WallTime> times;
    for (const MonoTime time : recent_) {
        times.push_back(now.wall - std::chrono::duration_cast<Duration>(now.mono - time));
    }
    return times;
}

void Retries::recall(std::uint32_t attempt,
                     std::uint64_t restarts,
                     const std::vector<WallTime>& recent,
                     const Now& now) {
    attempt_ = attempt;
    restarts_ = restarts;
    recent_.clear();
    for (const WallTime time : recent) {
        // One of a clock that was set back counts as now.
        const Duration ago = std::max(Duration::zero(), now.wall - time);
        recent_.push_back(now.mono - ago);
    }
}

}  // namespace berth::supervisor
