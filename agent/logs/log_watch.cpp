#include "agent/logs/log_watch.h"

#include <sys/inotify.h>

#include <array>
#include <cstring>
#include <vector>

#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::logs {

Result<std::unique_ptr<LogWatch>> LogWatch::create(loop::EventLoop& loop) {
    os::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd.valid()) {
        return fail(os::last_error("inotify_init1"));
    }
    return std::unique_ptr<LogWatch>(new LogWatch(loop, std::move(fd)));
}

LogWatch::LogWatch(loop::EventLoop& loop, os::UniqueFd fd) : fd_(std::move(fd)) {
    registration_ = loop.watch(fd_.get(), loop::Interest::Read, [this](bool, bool) { readable(); });
}

Result<std::uint64_t> LogWatch::wait(const std::string& folder, std::function<void()> grown) {
    BERTH_CHECK(os::make_folders(folder));
    const int watch =
        ::inotify_add_watch(fd_.get(),
                            folder.c_str(),
                            IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONESHOT);
    if (watch < 0) {
        return fail(os::last_error("watch " + folder));
    }
    const std::uint64_t number = next_++;
    waiters_[number] = {watch, std::move(grown)};
    return number;
}

void LogWatch::cancel(std::uint64_t waiter) {
    waiters_.erase(waiter);
}

void LogWatch::readable() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    for (;;) {
        const os::IoOutcome outcome = os::read_some(fd_.get(), buffer.data(), buffer.size());
        if (outcome.status != os::IoStatus::Done) {
            return;
        }
        std::vector<std::function<void()>> due;
        for (std::size_t at = 0; at + sizeof(inotify_event) <= outcome.bytes;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            at += sizeof event + event.len;
            for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
                if (waiter->second.watch == event.wd || (event.mask & IN_Q_OVERFLOW) != 0) {
                    due.push_back(std::move(waiter->second.grown));
                    waiter = waiters_.erase(waiter);
                } else {
                    ++waiter;
                }
            }
        }
        for (const auto& grown : due) {
            grown();
        }
    }
}

}  // namespace berth::logs
