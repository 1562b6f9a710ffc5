#include "agent/backend/native/process_sample.h"

#include <charconv>
#include <vector>

#include "shared/base/text.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::native {

namespace {

std::vector<pid_t> members_of(std::int32_t leader, const std::string& cgroup) {
    if (!cgroup.empty()) {
        std::vector<pid_t> members;
        const auto read = os::read_file(cgroup + "/cgroup.procs");
        const std::string text = read ? *read : std::string();  // lives as long as its lines
        for (const std::string_view line : split(text, '\n')) {
            if (const auto pid = parse_integer<pid_t>(line); pid && *pid > 0) {
                members.push_back(*pid);
            }
        }
        if (!members.empty()) {
            return members;
        }
    }
    return os::descendants_of(leader);
}

// Seconds since boot that a process has been running.
double age_seconds(std::uint64_t start_ticks) {
    const auto text = os::read_file("/proc/uptime");
    double uptime = 0;
    if (text) {
        (void)std::from_chars(text->data(), text->data() + text->size(), uptime);
    }
    return uptime -
           static_cast<double>(start_ticks) / static_cast<double>(os::clock_ticks_per_second());
}

}  // namespace

Sample take_sample(std::int32_t leader,
                   const std::string& cgroup,
                   const Sample& before,
                   MonoTime now,
                   Detail detail) {
    Sample sample;
    sample.leader = leader;
    sample.at = now;
    std::uint64_t rss_pages = 0;
    std::uint32_t count = 0;
    std::uint64_t leader_start = 0;
    for (const pid_t pid : members_of(leader, cgroup)) {
        const auto stat = os::read_stat(pid);
        if (!stat) {
            continue;
        }
        ++count;
        sample.cpu_ticks += stat->cpu_ticks;
        rss_pages += stat->rss_pages;
        sample.threads += stat->threads;
        if (detail == Detail::Full) {
            const auto io = os::read_io(pid);
            sample.pss_bytes += os::read_pss(pid).value_or(0);
            sample.descriptors += os::count_descriptors(pid);
            sample.read_bytes += io ? io->read_bytes : 0;
            sample.write_bytes += io ? io->write_bytes : 0;
        }
        leader_start = pid == leader ? stat->start_ticks : leader_start;
    }
    if (count == 0) {
        return sample;
    }
    const auto ticks = static_cast<double>(os::clock_ticks_per_second());
    const bool continues = before.leader == leader && before.cpu_percent && now > before.at;
    const double seconds = continues ? std::chrono::duration<double>(now - before.at).count()
                                     : age_seconds(leader_start);
    const std::uint64_t since = continues ? before.cpu_ticks : 0;
    const double used =
        sample.cpu_ticks > since ? static_cast<double>(sample.cpu_ticks - since) / ticks : 0;
    sample.cpu_percent = seconds > 0.01 ? used / seconds * 100 : 0;
    sample.rss_bytes = rss_pages * os::page_size();
    sample.processes = count;
    return sample;
}

}  // namespace berth::native
