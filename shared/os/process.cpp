#include "shared/os/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

extern "C" {
#include <sys/pidfd.h>  // glibc 2.36 forgot the guard
}

namespace berth::os {

namespace {

template <class Number>
Number to_number(std::string_view text) {
    Number value = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// A small file of /proc/PID, without allocating; as much of it as the buffer holds.
template <std::size_t Size>
std::string_view read_of(pid_t pid, const char* file, std::array<char, Size>& buffer) {
    std::array<char, 64> path{};
    (void)std::snprintf(path.data(), path.size(), "/proc/%d/%s", pid, file);
    const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return {};
    }
    const UniqueFd guard(fd);
    const IoOutcome outcome = read_some(fd, buffer.data(), buffer.size());
    return {buffer.data(), outcome.status == IoStatus::Done ? outcome.bytes : 0};
}

std::vector<pid_t> numeric_entries(const char* folder) {
    std::vector<pid_t> numbers;
    DIR* const entries = ::opendir(folder);
    if (entries == nullptr) {
        return numbers;
    }
    while (const dirent* entry = ::readdir(entries)) {  // NOLINT(concurrency-mt-unsafe): own stream
        const std::string_view name(entry->d_name);
        if (!name.empty() && name.front() >= '1' && name.front() <= '9') {
            numbers.push_back(to_number<pid_t>(name));
        }
    }
    (void)::closedir(entries);
    return numbers;
}

}  // namespace

std::optional<ProcessStat> read_stat(pid_t pid) {
    std::array<char, 1024> buffer{};
    const std::string_view text = read_of(pid, "stat", buffer);
    const std::size_t name_end = text.rfind(')');  // the name may hold blanks and parentheses
    if (name_end == std::string_view::npos || name_end + 2 >= text.size()) {
        return std::nullopt;
    }
    const std::vector<std::string_view> fields = split(text.substr(name_end + 2), ' ');
    if (fields.size() < 22) {
        return std::nullopt;
    }
    ProcessStat stat;  // proc(5): field 3 is fields[0]
    stat.state = fields[0].front();
    stat.parent = to_number<pid_t>(fields[1]);
    stat.session = to_number<pid_t>(fields[3]);
    stat.cpu_ticks = to_number<std::uint64_t>(fields[11]) + to_number<std::uint64_t>(fields[12]);
    stat.threads = to_number<std::uint32_t>(fields[17]);
    stat.start_ticks = to_number<std::uint64_t>(fields[19]);
    stat.rss_pages = to_number<std::uint64_t>(fields[21]);
    return stat;
}

bool is_stopped(pid_t pid) {
    const auto stat = read_stat(pid);
    return stat && (stat->state == 'T' || stat->state == 't');
}

std::uint32_t count_descriptors(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/fd";

    struct stat info {};

    if (::stat(path.c_str(), &info) == 0 && info.st_size > 0) {
        return static_cast<std::uint32_t>(info.st_size);  // since Linux 6.2 the size is the count
    }
    return static_cast<std::uint32_t>(numeric_entries(path.c_str()).size());
}

std::optional<std::uint64_t> read_pss(pid_t pid) {
    constexpr std::string_view kName = "\nPss:";
    std::array<char, 2048> buffer{};
    const std::string_view text = read_of(pid, "smaps_rollup", buffer);
    const std::size_t at = text.find(kName);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view line = trim(text.substr(at + kName.size(), 32));  // "  123 kB\n…"
    return to_number<std::uint64_t>(line.substr(0, line.find(' '))) * 1024;
}

std::optional<ProcessIo> read_io(pid_t pid) {
    std::array<char, 1024> buffer{};
    const std::string_view text = read_of(pid, "io", buffer);
    if (text.empty()) {
        return std::nullopt;
    }
    ProcessIo io;
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos) {
            continue;
        }
        const std::string_view name = line.substr(0, colon);
        if (name == "read_bytes") {
            io.read_bytes = to_number<std::uint64_t>(line.substr(colon + 2));
        } else if (name == "write_bytes") {
            io.write_bytes = to_number<std::uint64_t>(line.substr(colon + 2));
        }
    }
    return io;
}

Result<std::string> boot_id() {
    BERTH_TRY(const std::string text, read_file("/proc/sys/kernel/random/boot_id"));
    return std::string(trim(text));
}

Result<UniqueFd> open_pidfd(pid_t pid) {
    const int fd = ::pidfd_open(pid, 0);
    if (fd < 0) {
        return fail(last_error("pidfd_open " + std::to_string(pid)));
    }
    return UniqueFd(fd);
}

std::optional<UniqueFd> open_process(const ProcessId& id) {
    auto pidfd = open_pidfd(id.pid);
    if (!pidfd) {
        return std::nullopt;
    }
    // The descriptor holds the process; whose start time is read now is the one it holds, or it
    // died.
    const auto stat = read_stat(id.pid);
    if (!stat || stat->start_ticks != id.start_ticks || stat->state == 'Z') {
        return std::nullopt;
    }
    return std::move(*pidfd);
}

std::optional<pid_t> socketpair_maker(const UniqueFd& socket) {
    struct ucred maker {};

    socklen_t size = sizeof maker;
    return ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &maker, &size) == 0
               ? std::optional(maker.pid)
               : std::nullopt;
}

bool send_signal(const UniqueFd& pidfd, int signal) {
    return ::pidfd_send_signal(pidfd.get(), signal, nullptr, 0) == 0;
}

bool send_signal_to(pid_t pid, int signal) {
    return pid > 1 && ::kill(pid, signal) == 0;
}

bool send_signal_to_group(pid_t leader, int signal) {
    return leader > 1 && ::kill(-leader, signal) == 0;
}

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> children;
    const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const pid_t thread : numeric_entries(tasks.c_str())) {
        const auto text = read_file(tasks + "/" + std::to_string(thread) + "/children");
        if (!text) {
            continue;  // the thread has ended
        }
        for (const std::string_view word : split(*text, ' ')) {
            if (!trim(word).empty()) {
                children.push_back(to_number<pid_t>(word));
            }
        }
    }
    return children;
}

std::vector<pid_t> descendants_of(pid_t root) {
    std::vector<pid_t> found = {root};
    for (std::size_t i = 0; i < found.size(); ++i) {
        for (const pid_t child : children_of(found[i])) {
            found.push_back(child);
        }
    }
    std::erase_if(found, [](pid_t pid) {
        const auto stat = read_stat(pid);
        return !stat || stat->state == 'Z';
    });
    return found;
}

bool can_walk() {
    std::array<UniqueFd, 3> files;  // of a folder, of one below it, of a file in that
    return std::all_of(files.begin(), files.end(), [](UniqueFd& file) {
        file.reset(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return file.valid() || !means_exhausted(errno);
    });
}

std::vector<pid_t> all_processes() {
    return numeric_entries("/proc");
}

bool has_environment_entry(pid_t pid, std::string_view entry) {
    const auto text = read_file("/proc/" + std::to_string(pid) + "/environ", 4U << 20U);
    if (!text) {
        return false;
    }
    for (const std::string_view line : split(*text, '\0')) {
        if (line == entry) {
            return true;
        }
    }
    return false;
}

std::uint64_t clock_ticks_per_second() {
    return static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

std::uint64_t page_size() {
    return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

Result<pid_t> start_helper(const HelperSpec& spec) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    if (spec.inherit >= 0) {
        (void)posix_spawn_file_actions_adddup2(&actions, spec.inherit, 3);
    }
    if (spec.new_session) {
        (void)posix_spawn_file_actions_addchdir_np(&actions, "/");
    }
    if (!spec.output.empty()) {
        (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_addopen(
            &actions, 1, spec.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)posix_spawn_file_actions_adddup2(&actions, 1, 2);
    }
    // Our own are close-on-exec; what we were given is nothing to it.
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, spec.inherit >= 0 ? 4 : 3);
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    const int session = spec.new_session ? POSIX_SPAWN_SETSID : 0;
    (void)posix_spawnattr_setflags(
        &attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | session));
    std::vector<char*> argv;
    for (const std::string& word : spec.argv) {
        argv.push_back(const_cast<char*>(word.c_str()));  // exec does not write to them
    }
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        return fail(error_of(error, "start " + spec.argv[0]));
    }
    return pid;
}

std::optional<int> reap(pid_t child) {
    int status = 0;
    return ::waitpid(child, &status, WNOHANG) == child ? std::optional<int>(status) : std::nullopt;
}

}  // namespace berth::os
