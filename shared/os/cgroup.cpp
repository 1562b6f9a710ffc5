#include "shared/os/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/text.h"
#include "shared/os/cgroup_limits.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::os {

namespace {

// Where cgroup v2 is mounted: field 5 of the mountinfo line whose type is cgroup2 (proc(5)).
Result<std::string> mount_point() {
    BERTH_TRY(const std::string mounts, read_file("/proc/self/mountinfo"));
    for (const std::string_view line : split(mounts, '\n')) {
        const std::size_t tail = line.find(" - cgroup2 ");
        if (tail == std::string_view::npos) {
            continue;
        }
        const auto fields = split(line.substr(0, tail), ' ');
        if (fields.size() > 4) {
            return std::string(fields[4]);
        }
    }
    return fail(ErrorCode::NotFound, "cgroup v2 is not mounted");
}

Result<std::string> own_group() {
    BERTH_TRY(const std::string groups, read_file("/proc/self/cgroup"));
    for (const std::string_view line : split(groups, '\n')) {
        if (line.substr(0, 3) == "0::") {
            return std::string(line.substr(3));
        }
    }
    return fail(ErrorCode::NotFound, "this process is in no cgroup v2 group");
}

Result<void> make_group(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) {
        return fail(last_error("make cgroup " + path));
    }
    return {};
}

// A folder with two links, its name and its ".", has none below: mostly no listing is needed.
std::vector<std::string> groups_below(const std::string& path) {
    struct stat info {};

    if (::stat(path.c_str(), &info) == 0 && info.st_nlink == 2) {
        return {};
    }
    std::vector<std::string> groups;
    const auto names = folders_in(path);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        groups.push_back(path + "/" + name);
    }
    return groups;
}

void add_processes(const std::string& path, std::vector<pid_t>& pids) {
    const auto read = read_file(path + "/cgroup.procs");
    const std::string text = read ? *read : std::string();
    for (const std::string_view line : split(text, '\n')) {
        if (const auto pid = parse_integer<pid_t>(line); pid && *pid > 0) {
            pids.push_back(*pid);
        }
    }
    for (const std::string& below : groups_below(path)) {
        add_processes(below, pids);
    }
}

bool remove_group(const std::string& path) {
    for (const std::string& below : groups_below(path)) {
        if (!remove_group(below)) {
            return false;
        }
    }
    return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

}  // namespace

Result<Cgroup> Cgroup::create(const std::string& name) {
    BERTH_TRY(const std::string mount, mount_point());
    BERTH_TRY(const std::string group, own_group());
    std::string path = mount;
    if (const std::string base = without_leaf(group); base != "/") {
        path += base;
    }
    path += "/" + name;
    BERTH_CHECK(make_group(path));
    if (::access((path + "/cgroup.procs").c_str(), W_OK) != 0) {
        return fail(last_error(path + "/cgroup.procs"));
    }
    return Cgroup(path);
}

Result<Cgroup> Cgroup::child(const std::string& name) const {
    Cgroup group = at(name);
    BERTH_CHECK(make_group(group.path_));
    return group;
}

Result<UniqueFd> Cgroup::open() const {
    return open_file(path_, O_RDONLY | O_DIRECTORY);
}

std::vector<pid_t> Cgroup::processes() const {
    std::vector<pid_t> pids;
    add_processes(path_, pids);
    return pids;
}

bool Cgroup::empty() const {
    const auto events = read_file(path_ + "/cgroup.events");
    return events && events->find("populated 0") != std::string::npos;
}

bool Cgroup::kill() const {
    const auto fd = open_file(path_ + "/cgroup.kill", O_WRONLY);
    return fd && write_some(fd->get(), "1").status == IoStatus::Done;
}

void Cgroup::clear() const {
    for (const std::string& below : groups_below(path_)) {
        (void)remove_group(below);  // one that is not empty stays
    }
}

bool Cgroup::remove() const {
    return ::rmdir(path_.c_str()) == 0 || errno == ENOENT || remove_group(path_);
}

}  // namespace berth::os
