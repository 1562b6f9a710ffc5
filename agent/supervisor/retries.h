#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"

namespace berth::supervisor {

// Whether the descriptor calls this end a good one. One that nobody saw is when restart.unknown
// says so.
bool is_success(const RestartSpec& restart, const std::optional<ExitStatus>& exit);

// How often one app was started again by itself: what the next delay and the end of all tries are
// reckoned from. Owned by its Machine; pure, as that is.
class Retries {
public:
    // Somebody asked for this start: what was before does not count any more.
    void begin_anew();

    // It is started again by itself now.
    void count() { ++restarts_; }

    // The wait before the next try after a run that began at `began`; nothing: the budget of
    // restart.max_restarts within restart.window is spent. `random` is uniform in [0, 1).
    std::optional<Duration> next(const RestartSpec& restart,
                                 MonoTime began,
                                 MonoTime now,
                                 double random);

    // The wait that the agent before us was in.
    [[nodiscard]] Duration present(const RestartSpec& restart) const;

    // Ends in a row that were followed by a try, the last one included.
    [[nodiscard]] std::uint32_t attempt() const { return attempt_; }

    // Since somebody started it.
    [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

    // Those that count against the budget.
    [[nodiscard]] std::size_t recent() const { return recent_.size(); }

    // Nothing has failed since somebody started it.
    [[nodiscard]] bool none() const { return attempt_ == 0 && restarts_ == 0; }

    // Monotonic times do not outlive the agent: what is kept of them is told by the wall clock.
    [[nodiscard]] std::vector<WallTime> recent_times(const Now& now) const;
    void recall(std::uint32_t attempt,
                std::uint64_t restarts,
                const std::vector<WallTime>& recent,
                const Now& now);

private:
    std::uint32_t attempt_ = 0;
    std::uint64_t restarts_ = 0;
    std::vector<MonoTime> recent_;  // oldest first
};

}  // namespace berth::supervisor
