#include "shared/os/cgroup_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::os {

namespace {

constexpr std::array<std::string_view, 3> kWanted = {"memory", "cpu", "pids"};
constexpr std::string_view kLeaf = ".keeper";
constexpr std::uint64_t kPeriodUs = 100'000;

// Not os::write_file: these are never made, and take one write.
Result<void> write_value(const std::string& path, const std::string& value) {
    BERTH_TRY(const UniqueFd fd, open_file(path, O_WRONLY));
    const IoOutcome outcome = write_some(fd.get(), value);
    if (outcome.status != IoStatus::Done) {
        return fail(error_of(outcome.os_errno, path));
    }
    return {};
}

std::vector<std::string> words_in(const std::string& path) {
    std::vector<std::string> words;
    const auto read = read_file(path);
    const std::string text = read ? *read : std::string();
    for (const std::string_view line : split(text, '\n')) {
        for (const std::string_view word : split(line, ' ')) {
            if (!trim(word).empty()) {
                words.emplace_back(trim(word));
            }
        }
    }
    return words;
}

// The processes in `group` itself, not in those below it.
std::vector<pid_t> processes_of(const std::string& group) {
    std::vector<pid_t> pids;
    for (const std::string& word : words_in(group + "/cgroup.procs")) {
        if (const auto pid = parse_integer<pid_t>(word)) {
            pids.push_back(*pid);
        }
    }
    return pids;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// Passes on what it can to the groups below; gives what is passed on.
std::vector<std::string> pass_on(const std::string& group) {
    const std::vector<std::string> available = words_in(group + "/cgroup.controllers");
    std::vector<std::string> passed;
    const std::string file = group + "/cgroup.subtree_control";
    const std::vector<std::string> before = words_in(file);
    for (const std::string_view name : kWanted) {
        const std::string controller(name);
        if (has(before, controller) ||
            (has(available, controller) && write_value(file, "+" + controller))) {
            passed.push_back(controller);
        }
    }
    return passed;
}

// Whether a process is this program, or one of Berth's beside it: another agent, the controller,
// the command that starts us. One that was replaced on the disk ("… (deleted)") counts.
bool is_one_of_us(pid_t pid) {
    std::error_code failed;
    const auto ours = std::filesystem::read_symlink("/proc/self/exe", failed);
    const auto program =
        std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", failed);
    if (failed || program.parent_path() != ours.parent_path()) {
        return false;
    }
    return program == ours || program.filename().string().compare(0, 5, "berth") == 0;
}

// Whether all processes of `group` are of Berth; the root of the hierarchy is nobody's.
bool belongs_to_us(const std::string& group) {
    if (!exists(group + "/cgroup.type")) {
        return false;
    }
    const auto members = processes_of(group);
    return std::all_of(members.begin(), members.end(), is_one_of_us);
}

// Moves the processes of `above` into a leaf beside `group`: only a group without any may pass on
// controllers.
void move_to_leaf(const std::string& group, const std::string& above) {
    const std::string leaf = group + std::string(kLeaf);
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST) {
        return;
    }
    for (const pid_t pid : processes_of(above)) {
        // Fails for one that has ended meanwhile; if any stays, the kernel refuses what follows.
        (void)write_value(leaf + "/cgroup.procs", std::to_string(pid));
    }
}

}  // namespace

std::vector<std::string> enable_controllers(const std::string& group) {
    const std::vector<std::string> here = words_in(group + "/cgroup.controllers");
    const std::string above = group.substr(0, group.rfind('/'));
    const std::vector<std::string> there = words_in(above + "/cgroup.controllers");
    const bool more = std::any_of(kWanted.begin(), kWanted.end(), [&](std::string_view name) {
        return !has(here, name) && has(there, name);
    });
    if (more && belongs_to_us(above)) {
        move_to_leaf(group, above);
        (void)pass_on(above);  // what it refuses is missing below, and is said so
    }
    return pass_on(group);
}

std::string without_leaf(const std::string& group) {
    const std::size_t slash = group.rfind('/');
    const std::string_view name = std::string_view(group).substr(slash + 1);
    const bool leaf = name.substr(0, 6) == "berth-" && name.size() > kLeaf.size() &&
                      name.substr(name.size() - kLeaf.size()) == kLeaf;
    return leaf ? group.substr(0, std::max<std::size_t>(slash, 1)) : group;
}

Result<void> apply_limits(const std::string& group,
                          const GroupLimits& limits,
                          const std::vector<std::string>& controllers) {
    const auto value = [](const auto& limit) {
        return limit ? std::to_string(*limit) : std::string("max");
    };
    if (has(controllers, "memory")) {
        BERTH_CHECK(write_value(group + "/memory.max", value(limits.memory_bytes)));
        // One that loses a process to the limit is broken: all of it ends, and is started again.
        BERTH_CHECK(write_value(group + "/memory.oom.group", limits.memory_bytes ? "1" : "0"));
        if (exists(group + "/memory.swap.max")) {
            BERTH_CHECK(write_value(group + "/memory.swap.max", limits.memory_bytes ? "0" : "max"));
        }
    }
    if (has(controllers, "cpu")) {
        const std::string quota = limits.cpu_percent
                                      ? std::to_string(*limits.cpu_percent * kPeriodUs / 100)
                                      : std::string("max");
        BERTH_CHECK(write_value(group + "/cpu.max", quota + " " + std::to_string(kPeriodUs)));
    }
    if (has(controllers, "pids")) {
        BERTH_CHECK(write_value(group + "/pids.max", value(limits.pids)));
    }
    return {};
}

std::uint64_t oom_kills(const std::string& group) {
    const std::vector<std::string> words = words_in(group + "/memory.events");
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i] == "oom_kill") {
            return parse_integer<std::uint64_t>(words[i + 1]).value_or(0);
        }
    }
    return 0;
}

}  // namespace berth::os
