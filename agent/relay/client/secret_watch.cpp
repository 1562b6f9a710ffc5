#include "agent/relay/client/secret_watch.h"

#include <sys/inotify.h>

#include <array>
#include <cstring>
#include <set>

#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::relay {

Result<std::unique_ptr<SecretWatch>> SecretWatch::create(loop::EventLoop& loop,
                                                         const std::string& home,
                                                         Changed changed) {
    const std::string folder = home + "/secrets";
    BERTH_CHECK(os::make_folders(folder));
    os::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd.valid()) {
        return fail(os::last_error("inotify_init1"));
    }
    constexpr std::uint32_t kWhat = IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
    if (::inotify_add_watch(fd.get(), folder.c_str(), kWhat) < 0) {
        return fail(os::last_error("watch " + folder));
    }
    return std::unique_ptr<SecretWatch>(new SecretWatch(loop, std::move(fd), std::move(changed)));
}

SecretWatch::SecretWatch(loop::EventLoop& loop, os::UniqueFd fd, Changed changed)
    : fd_(std::move(fd)), changed_(std::move(changed)) {
    registration_ = loop.watch(fd_.get(), loop::Interest::Read, [this](bool, bool) { readable(); });
}

void SecretWatch::readable() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    std::set<std::string> apps;
    for (;;) {
        const os::IoOutcome outcome = os::read_some(fd_.get(), buffer.data(), buffer.size());
        if (outcome.status != os::IoStatus::Done) {
            break;
        }
        for (std::size_t at = 0; at + sizeof(inotify_event) <= outcome.bytes;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* const name = buffer.data() + at + sizeof event;
            apps.insert(event.len > 0 ? std::string(name, ::strnlen(name, event.len))
                                      : std::string());
            at += sizeof event + event.len;
        }
    }
    for (const std::string& app : apps) {
        changed_(app);
    }
}

}  // namespace berth::relay
