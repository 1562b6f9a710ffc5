#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

// A folder of the cgroup v2 hierarchy that this process may write to. Groups in it only keep trees
// of processes together; controllers are not touched here.
class Cgroup {
public:
    // The group `name` below this process's own group. Error: no cgroup v2 mount, or not writable.
    static Result<Cgroup> create(const std::string& name);

    // The group `name` below this one, made when missing.
    [[nodiscard]] Result<Cgroup> child(const std::string& name) const;

    // The group `name` below this one, whether it is there or not.
    [[nodiscard]] Cgroup at(const std::string& name) const { return Cgroup(path_ + "/" + name); }

    // For CLONE_INTO_CGROUP.
    [[nodiscard]] Result<UniqueFd> open() const;

    // All live processes in it and below; zombies are not listed.
    [[nodiscard]] std::vector<pid_t> processes() const;

    // No live process is in it or below. False when the kernel does not say.
    [[nodiscard]] bool empty() const;

    // SIGKILL to all of them at once. False: the kernel is older than 5.14 or refuses.
    [[nodiscard]] bool kill() const;

    // Removes the groups below it that are empty.
    void clear() const;

    // Removes the group and those below it. True when it is gone, false while it has processes.
    [[nodiscard]] bool remove() const;

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    explicit Cgroup(std::string path) : path_(std::move(path)) {}

    std::string path_;
};

}  // namespace berth::os
