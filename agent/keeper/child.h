#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "agent/keeper/records.h"
#include "agent/keeperlink/messages.h"

namespace berth::keeper {

// What the new process needs between fork and exec, prepared before the fork.
struct ChildPlan {
    char* const* argv = nullptr;
    const char* const* programs = nullptr;  // the paths where argv[0] may be, in order
    char** shell_argv = nullptr;  // "sh", room for a path, argv[1] …: for a script without #!
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
    bool waits = true;         // for that byte; else it has the keeper's memory and …
    Record* record = nullptr;  // … records itself there; null: it needs no record
    int first_to_close = -1;   // it shares the keeper's descriptors, and needs those below this
    int cgroup = -1;           // folder of the group to join; -1: none, or it is in it already
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

// Becomes the app. Runs in the new process, which may share the keeper's memory while the keeper
// stands still: uses async-signal-safe calls only and writes to nothing but its stack and `record`.
[[noreturn]] void run_child(const ChildPlan& plan);

}  // namespace berth::keeper
