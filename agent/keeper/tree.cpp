#include "agent/keeper/tree.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "shared/os/process.h"

namespace berth::keeper {

namespace {

// How often a walk that found nobody is made again while the processes change.
constexpr int kWalksOfOurs = 16;
constexpr int kWalksOfAll = 3;  // looks at every process of the machine

// Whether the leader's number names its session, and nobody else's. While the leader is there, yes.
// Afterwards the kernel gives the number out again only when no process, group or session has it:
// among our own orphans it is theirs until it names another process; among all processes of the
// machine (an adopted run) it may be a stranger's, so there the marker alone counts.
bool session_is_ours(const TreeIdentity& tree) {
    if (tree.leader <= 1) {
        return false;
    }
    const auto stat = os::read_stat(tree.leader);
    return stat ? stat->start_ticks == tree.start_ticks : !tree.adopted;
}

bool belongs_to(const TreeIdentity& tree, bool session_counts, pid_t pid) {
    const auto stat = os::read_stat(pid);
    if (!stat || stat->state == 'Z') {
        return false;
    }
    return (session_counts && stat->session == tree.leader) ||
           os::has_environment_entry(pid, tree.marker);
}

void add_with_descendants(pid_t pid, std::vector<pid_t>& members, std::unordered_set<pid_t>& seen) {
    for (const pid_t member : os::descendants_of(pid)) {
        if (seen.insert(member).second) {
            members.push_back(member);
        }
    }
}

// Those that may be orphans of the tree.
std::vector<pid_t> candidates_of(const TreeIdentity& tree,
                                 const std::unordered_set<pid_t>& known_children) {
    const pid_t self = ::getpid();
    std::vector<pid_t> pids = tree.adopted ? os::all_processes() : os::children_of(self);
    std::erase_if(pids, [&](pid_t pid) { return pid == self || known_children.count(pid) != 0; });
    return pids;
}

std::vector<pid_t> walk(const TreeIdentity& tree, const std::vector<pid_t>& candidates) {
    std::vector<pid_t> members;
    std::unordered_set<pid_t> seen;
    if (tree.leader_alive) {
        add_with_descendants(tree.leader, members, seen);
    }
    const bool session_counts = session_is_ours(tree);
    for (const pid_t pid : candidates) {
        if (belongs_to(tree, session_counts, pid)) {
            add_with_descendants(pid, members, seen);
        }
    }
    return members;
}

}  // namespace

std::vector<pid_t> tree_members(const TreeIdentity& tree,
                                const std::unordered_set<pid_t>& known_children) {
    if (tree.cgroup) {
        return tree.cgroup->processes();
    }
    // A walk is no snapshot. One that ends after we have listed it and before we look at it hands
    // its children to us unseen. So nobody is found only when the list is the same before and
    // after.
    std::vector<pid_t> candidates = candidates_of(tree, known_children);
    for (int walks = tree.adopted ? kWalksOfAll : kWalksOfOurs;; --walks) {
        std::vector<pid_t> members = walk(tree, candidates);
        std::vector<pid_t> now = candidates_of(tree, known_children);
        if (!members.empty() || now == candidates || walks == 0) {
            return members;
        }
        candidates = std::move(now);
    }
}

bool is_member(const TreeIdentity& tree, pid_t pid) {
    if (tree.cgroup) {
        const auto members = tree.cgroup->processes();
        return std::find(members.begin(), members.end(), pid) != members.end();
    }
    return belongs_to(tree, session_is_ours(tree), pid);
}

void signal_tree(const TreeIdentity& tree, const std::vector<pid_t>& members, int signal) {
    bool group_signalled = false;
    if (tree.leader_alive) {
        group_signalled = os::send_signal_to_group(tree.leader, signal);
    }
    for (const pid_t pid : members) {
        if (!group_signalled || ::getpgid(pid) != tree.leader) {
            (void)os::send_signal_to(pid, signal);  // it may have ended meanwhile
        }
    }
    if (signal == SIGKILL || signal == SIGSTOP || signal == SIGCONT) {
        return;
    }
    for (const pid_t pid : members) {
        (void)os::send_signal_to(pid, SIGCONT);
    }
}

void kill_tree(const TreeIdentity& tree, const std::vector<pid_t>& members) {
    if (tree.cgroup && tree.cgroup->kill()) {
        return;
    }
    signal_tree(tree, members, SIGKILL);
}

}  // namespace berth::keeper
