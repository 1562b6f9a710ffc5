#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

// Who a process is, over pid reuse: the kernel's start time in clock ticks since boot goes with it.
struct ProcessId {
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;

    friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// What /proc/PID/stat says.
struct ProcessStat {
    pid_t parent = 0;
    pid_t session = 0;
    char state = '?';  // Z: zombie
    std::uint64_t cpu_ticks = 0;
    std::uint64_t start_ticks = 0;
    std::uint64_t rss_pages = 0;
    std::uint32_t threads = 0;
};

std::optional<ProcessStat> read_stat(pid_t pid);

// Whether it is held still, by SIGSTOP or a debugger.
bool is_stopped(pid_t pid);

// How many descriptors a process has open; 0 when that cannot be seen.
std::uint32_t count_descriptors(pid_t pid);

// Bytes that a process has moved from and to storage; nothing when that cannot be seen.
struct ProcessIo {
    std::uint64_t read_bytes = 0;
    std::uint64_t write_bytes = 0;
};

std::optional<ProcessIo> read_io(pid_t pid);

// Bytes of memory of a process, with its share of what it has in common with others. The kernel
// walks its pages for that, a millisecond or so for each GB. Nothing when that cannot be seen.
std::optional<std::uint64_t> read_pss(pid_t pid);

// Changes at every boot.
Result<std::string> boot_id();

Result<UniqueFd> open_pidfd(pid_t pid);

// A pidfd of exactly that process. Nothing: it is gone, or the pid is somebody else's now.
std::optional<UniqueFd> open_process(const ProcessId& id);

// Who made the socketpair that this is one end of; it may be gone.
std::optional<pid_t> socketpair_maker(const UniqueFd& socket);

// False: it is gone.
bool send_signal(const UniqueFd& pidfd, int signal);

// To a single process. False: gone or not allowed.
bool send_signal_to(pid_t pid, int signal);

// To the whole group whose leader is not reaped yet.
bool send_signal_to_group(pid_t leader, int signal);

// Direct children, over all threads.
std::vector<pid_t> children_of(pid_t pid);

// `root` and all below it that are not zombies; `root` first.
std::vector<pid_t> descendants_of(pid_t root);

// Whether files of /proc can be opened: when not, for want of descriptors, each walk finds nobody.
bool can_walk();

// All processes of this machine that this user can see.
std::vector<pid_t> all_processes();

// Whether NAME=VALUE (whole entry) is in the environment that the process was started with. False
// also when that cannot be read.
bool has_environment_entry(pid_t pid, std::string_view entry);

std::uint64_t clock_ticks_per_second();
std::uint64_t page_size();
std::string host_name();

// Starts a helper program of ours (never an app) in the same session, signal mask empty. `inherit`
// becomes descriptor 3 in it, and the number is named by the argument that the caller passes.
struct HelperSpec {
    std::vector<std::string> argv;  // argv[0] is the path
    int inherit = -1;               // becomes descriptor 3; -1: none
    bool new_session = false;       // and then in "/"; the shell it came from is nothing to it
    std::string output;             // stdout and stderr are appended to this file; empty: inherited
};

Result<pid_t> start_helper(const HelperSpec& spec);

// How the child ended, when it has: a raw wait status. Does not block.
std::optional<int> reap(pid_t child);

}  // namespace berth::os
