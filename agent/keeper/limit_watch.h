#pragma once

#include <cstdint>
#include <optional>
#include <unordered_set>

#include "agent/keeper/tree.h"
#include "agent/keeperlink/messages.h"

namespace berth::keeper {

// What a run may use where no controller of the kernel sees to it; 0: no limit.
struct WatchedLimits {
    std::uint64_t memory_bytes = 0;
    std::uint64_t pids = 0;

    [[nodiscard]] bool any() const { return memory_bytes != 0 || pids != 0; }
};

struct Breach {
    keeperlink::EndCause cause = keeperlink::EndCause::None;
    std::uint64_t used = 0;  // bytes or processes
};

// Walks the run's tree and compares. Memory is what its processes have resident, pages that they
// share counted once: the exact sum costs more, so it is taken only when the simple one, which
// counts them for each process, is over the limit.
std::optional<Breach> find_breach(const WatchedLimits& limits,
                                  const TreeIdentity& tree,
                                  const std::unordered_set<pid_t>& known_children);

}  // namespace berth::keeper
