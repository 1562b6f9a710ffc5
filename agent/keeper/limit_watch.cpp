#include "agent/keeper/limit_watch.h"

#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::EndCause;

std::optional<Breach> find_breach(const WatchedLimits& limits,
                                  const TreeIdentity& tree,
                                  const std::unordered_set<pid_t>& known_children) {
    const std::vector<pid_t> members = tree_members(tree, known_children);
    if (limits.pids != 0 && members.size() > limits.pids) {
        return Breach{EndCause::OverPids, members.size()};
    }
    if (limits.memory_bytes == 0) {
        return std::nullopt;
    }
    std::uint64_t resident = 0;
    for (const pid_t pid : members) {
        if (const auto stat = os::read_stat(pid)) {
            resident += stat->rss_pages * os::page_size();
        }
    }
    if (resident <= limits.memory_bytes) {
        return std::nullopt;
    }
    std::uint64_t proportional = 0;
    for (const pid_t pid : members) {
        proportional += os::read_pss(pid).value_or(0);
    }
    if (proportional <= limits.memory_bytes) {
        return std::nullopt;
    }
    return Breach{EndCause::OverMemory, proportional};
}

}  // namespace berth::keeper
