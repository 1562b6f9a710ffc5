#pragma once

#include <sys/types.h>

#include "agent/keeper/child.h"
#include "shared/base/result.h"
#include "shared/keeperlink/messages.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

struct SpawnPaths {
    std::string terminal;  // empty: the FIFOs
    std::string input;
    std::string output;
    std::string error;
    int pipe = -1;  // instead of all: takes what it writes, and the child dies with the keeper
};

struct Spawned {
    pid_t pid = 0;
    os::UniqueFd gate;  // the keeper's end
};

// Forks a child that waits at the gate: it goes on to exec when one byte is written there, and ends
// when the gate is closed. `own_environment` is added to its own, `cgroup` (-1: none) joined.
Result<Spawned> spawn_at_gate(const keeperlink::Start& start,
                              const SpawnPaths& paths,
                              const std::vector<std::string>& own_environment,
                              const struct rlimit& nofile,
                              int cgroup);

}  // namespace berth::keeper
