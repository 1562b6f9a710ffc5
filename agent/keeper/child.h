#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "shared/keeperlink/messages.h"

namespace berth::keeper {

// What the new process needs between fork and exec, prepared before the fork.
struct ChildPlan {
    char* const* argv = nullptr;
    char* const* environment = nullptr;
    const char* cwd = nullptr;
    const char* terminal = nullptr;  // path of the slave side; null: three FIFOs
    const char* input = nullptr;     // paths of the FIFOs
    const char* output = nullptr;
    const char* error = nullptr;
    int pipe = -1;  // instead of the FIFOs: stdout and stderr; stdin is empty then
    const char* pre_start = nullptr;  // a shell line to be run first; null: none
    bool with_keeper = false;         // is killed when the keeper dies
    int gate = -1;  // socket: one byte comes when the keeper has recorded us; a failure goes back
    bool has_umask = false;
    mode_t umask = 0;
    int nice = 0;
    bool switch_user = false;
    uid_t uid = 0;
    gid_t gid = 0;
    const gid_t* groups = nullptr;
    std::size_t group_count = 0;
    const keeperlink::ResourceLimit* limits = nullptr;
    std::size_t limit_count = 0;

    struct rlimit nofile {};  // what the keeper was started with; it has raised its own
};

// What goes back over the gate when a step fails.
struct ChildFailure {
    std::uint8_t stage;
    std::int32_t os_errno;
};

// Becomes the app. Runs in the new process; uses async-signal-safe calls only.
[[noreturn]] void run_child(const ChildPlan& plan);

}  // namespace berth::keeper
