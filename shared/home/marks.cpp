#include "shared/home/marks.h"

#include <string_view>

#include "shared/base/text.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::home {

namespace {

constexpr std::string_view kVariable = "BERTH_RUN=";

struct Marked {
    std::string mark;
    MarkedProcess process;
};

// BERTH_HOME_DIR=<home>/data/ID
std::string home_in(const std::vector<std::string_view>& entries) {
    constexpr std::string_view kFolder = "BERTH_HOME_DIR=";
    for (const std::string_view entry : entries) {
        const std::size_t data = entry.rfind("/data/");
        if (entry.substr(0, kFolder.size()) == kFolder && data != std::string_view::npos) {
            return std::string(entry.substr(kFolder.size(), data - kFolder.size()));
        }
    }
    return {};
}

// Nothing: it has none, has ended, or is somebody else's.
std::optional<Marked> look_at(pid_t pid) {
    const auto environment = os::read_file("/proc/" + std::to_string(pid) + "/environ");
    if (!environment) {
        return std::nullopt;
    }
    const auto entries = split(*environment, '\0');
    for (const std::string_view entry : entries) {
        if (entry.substr(0, kVariable.size()) != kVariable) {
            continue;
        }
        const auto parts = split(entry.substr(kVariable.size()), '/');
        const auto generation =
            parts.size() == 3 ? parse_integer<std::uint64_t>(parts[2]) : std::nullopt;
        const auto stat = generation ? os::read_stat(pid) : std::nullopt;
        if (!stat || stat->state == 'Z') {
            return std::nullopt;
        }
        return Marked{std::string(parts[0]),
                      {pid, std::string(parts[1]), *generation, home_in(entries)}};
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> mark_of_records(const std::string& file) {
    constexpr std::string_view kMagic = "BERTHKPR";
    constexpr std::size_t kAt = 64;
    constexpr std::size_t kSize = 32;
    const auto start = os::read_start(file, kAt + kSize);
    if (!start || start->size() != kAt + kSize || start->substr(0, kMagic.size()) != kMagic) {
        return std::nullopt;
    }
    return start->substr(kAt);
}

std::set<std::string> living_marks() {
    std::set<std::string> marks;
    for (const pid_t pid : os::all_processes()) {
        if (auto found = look_at(pid)) {
            marks.insert(std::move(found->mark));
        }
    }
    return marks;
}

std::vector<MarkedProcess> processes_marked(const std::string& mark) {
    std::vector<MarkedProcess> processes;
    for (const pid_t pid : os::all_processes()) {
        auto found = look_at(pid);
        if (found && found->mark == mark) {
            processes.push_back(std::move(found->process));
        }
    }
    return processes;
}

}  // namespace berth::home
