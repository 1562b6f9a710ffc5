#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "shared/os/cgroup.h"

namespace berth::keeper {

// What tells the processes of one run from all others.
struct TreeIdentity {
    pid_t leader = 0;  // also the session's id; 0: it was never forked
    std::uint64_t start_ticks = 0;
    bool leader_alive = false;  // not reaped yet
    bool adopted = false;       // not our child: its orphans do not become ours either
    std::string marker;         // "BERTH_RUN=…" in the environment
    std::optional<os::Cgroup> cgroup;
};

// The live processes of the run, zombies left out.
//
// With a cgroup: its members. Without: the leader with all below it, and the orphans. As a
// subreaper we are the parent of every orphan of our children, so it is enough to look at our own
// children that are nobody's leader; theirs are the session and the marker. Orphans of an adopted
// run went to somebody else, so there all processes are looked at, for
// the marker, and for the session while the leader lives.
std::vector<pid_t> tree_members(const TreeIdentity& tree,
                                const std::unordered_set<pid_t>& known_children);

// Whether a process belongs to the run: it is in its session or cgroup, or carries its marker.
bool is_member(const TreeIdentity& tree, pid_t pid);

// A polite signal to everybody in the tree, and SIGCONT so that the stopped ones can act on it.
void signal_tree(const TreeIdentity& tree, const std::vector<pid_t>& members, int signal);

// SIGKILL to everybody, through the cgroup at once where there is one.
void kill_tree(const TreeIdentity& tree, const std::vector<pid_t>& members);

}  // namespace berth::keeper
