#include "agent/keeper/tree.h"

#include <signal.h>
#include <unistd.h>

#include "shared/os/process.h"

namespace berth::keeper {

namespace {

bool belongs_to(const TreeIdentity& tree, pid_t pid) {
    const auto stat = os::read_stat(pid);
    if (!stat || stat->state == 'Z') {
        return false;
    }
    // The session names a tree only among our own orphans: while one of them is in it, its number
    // cannot be anybody else's. Among strangers it can (and 0 is that of whoever has none), so there
    // the marker alone counts.
    const bool in_session = !tree.adopted && tree.leader > 1 && stat->session == tree.leader;
    return in_session || os::has_environment_entry(pid, tree.marker);
}

void add_with_descendants(pid_t pid, std::vector<pid_t>& members, std::unordered_set<pid_t>& seen) {
    for (const pid_t member : os::descendants_of(pid)) {
        if (seen.insert(member).second) {
            members.push_back(member);
        }
    }
}

}  // namespace

std::vector<pid_t> tree_members(const TreeIdentity& tree,
                                const std::unordered_set<pid_t>& known_children) {
    if (tree.cgroup) {
        return tree.cgroup->processes();
    }
    std::vector<pid_t> members;
    std::unordered_set<pid_t> seen;
    if (tree.leader_alive) {
        add_with_descendants(tree.leader, members, seen);
    }
    const pid_t self = ::getpid();
    for (const pid_t pid : tree.adopted ? os::all_processes() : os::children_of(self)) {
        if (pid != self && known_children.count(pid) == 0 && belongs_to(tree, pid)) {
            add_with_descendants(pid, members, seen);
        }
    }
    return members;
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
