#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"

// The controllers of cgroup v2. Everything takes the paths of folders, so it is tested on a tree of
// plain files.
namespace berth::os {

// What a group may use; unset: no limit.
struct GroupLimits {
    std::optional<std::uint64_t> memory_bytes;
    std::optional<std::uint32_t> cpu_percent;  // of one processor
    std::optional<std::uint64_t> pids;
};

// Makes memory, cpu and pids available to the groups below `group`, as far as that is ours to do,
// and says which of them are. Where the group above does not pass them on, it is told to, if it
// holds no processes but Berth's (agents, the controller, the command): those are moved to the leaf
// `group` + ".keeper" first, since a group that passes controllers on may hold none. Anything else
// is left as it is.
std::vector<std::string> enable_controllers(const std::string& group);

// What of `group` is left when the suffix of a leaf of enable_controllers() is taken off: the group
// that a process of ours was in before.
std::string without_leaf(const std::string& group);

// Sets what `controllers` can hold; what has no limit is set to none. Error: the first that was
// refused.
Result<void> apply_limits(const std::string& group,
                          const GroupLimits& limits,
                          const std::vector<std::string>& controllers);

// How many processes of the group the kernel has killed because of its memory limit.
std::uint64_t oom_kills(const std::string& group);

}  // namespace berth::os
