#pragma once

#include <sys/types.h>

#include "agent/keeper/child.h"
#include "agent/keeper/nursery.h"
#include "agent/keeper/records.h"
#include "agent/keeperlink/messages.h"
#include "shared/base/result.h"
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
    bool begun =
        false;  // it has not waited at the gate: exec has succeeded, or the gate says why not
};

// Where and how a child is made.
struct SpawnPlace {
    const struct rlimit& nofile;
    int cgroup = -1;             // folder of the group to be in; -1: none
    Nursery* nursery = nullptr;  // given and open: the child may run in the keeper's memory …
    Record* record = nullptr;    // … and records itself here, when it is to be recorded
    std::uint64_t reserve = 0;  // descriptors that must be left to the keeper, or it fails (EMFILE)
};

// Makes a child that becomes the app. `own_environment` is added to its own.
//
// With a nursery, and without a pre_start hook: like vfork(2), so that no page tables and
// no descriptors are copied, which costs more than all the rest. The keeper stands still until
// exec; the child records itself in the shared memory first, so that a run which is not recorded
// never begins. (A command on a file system that does not answer holds the keeper up that long, as
// it does every caller of posix_spawn.)
//
// Else it forks, and the child waits at the gate: it goes on to exec when one byte is written
// there, and ends when the gate is closed.
Result<Spawned> spawn_at_gate(const keeperlink::Start& start,
                              const SpawnPaths& paths,
                              const std::vector<std::string>& own_environment,
                              const SpawnPlace& place);

}  // namespace berth::keeper
