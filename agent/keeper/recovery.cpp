#include "agent/keeper/recovery.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/time/clock.h"

namespace berth::keeper {

namespace {

// As descriptors take them when they do not say otherwise.
constexpr std::uint64_t kLogSize = 10U << 20U;
constexpr std::uint32_t kLogKeep = 5;

std::string target_of(pid_t pid, const char* fd) {
    const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + fd;
    std::array<char, 256> target{};
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    return {target.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

bool is_told_where_to_notify(pid_t pid) {
    const auto environment = os::read_file("/proc/" + std::to_string(pid) + "/environ");
    return environment && environment->find("NOTIFY_SOCKET=@berth/") != std::string::npos;
}

// Wall clock, of a start that the kernel counts in ticks since boot.
std::int64_t started_ns(std::uint64_t start_ticks) {
    const Duration since_boot =
        std::chrono::nanoseconds(start_ticks * (1'000'000'000ULL / os::clock_ticks_per_second()));
    const Now now = read_clocks();
    return (now.wall - (now.boot - since_boot)).time_since_epoch().count();
}

}  // namespace

void recover(Record& record, const std::vector<pid_t>& processes) {
    // Apps are begun as leaders of a session. Of several, as a daemon makes them, the first.
    pid_t leader = 0;
    std::uint64_t first = 0;
    for (const pid_t pid : processes) {
        const auto stat = os::read_stat(pid);
        if (stat && stat->session == pid && (leader == 0 || stat->start_ticks < first)) {
            leader = pid;
            first = stat->start_ticks;
        }
    }
    record.log_max_size = kLogSize;
    record.log_keep = kLogKeep;
    if (leader == 0) {
        record.phase = static_cast<std::uint8_t>(keeperlink::RunPhase::Exited);
        record.status_known = 0;
        record.ended_ns = read_clocks().wall.time_since_epoch().count();
        return;
    }
    record.phase = static_cast<std::uint8_t>(keeperlink::RunPhase::Running);
    record.pid = leader;
    record.start_ticks = first;
    record.started_ns = started_ns(first);
    record.tty = target_of(leader, "1").substr(0, 9) == "/dev/pts/" ? 1 : 0;
    record.notify = is_told_where_to_notify(leader) ? 1 : 0;
    record.ready = record.notify;  // one that was not ready yet says it, or is taken for ready
}

}  // namespace berth::keeper
