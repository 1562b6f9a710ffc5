#include "shared/loop/file_watch.h"

#include <sys/inotify.h>

#include <array>
#include <cstring>
#include <vector>

#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::loop {

namespace {

constexpr std::uint32_t kOfFile = IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
constexpr std::uint32_t kOfFolder = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                    IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR;
constexpr std::uint32_t kOfPlace = IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR;

constexpr std::uint32_t mask_of(FileWatch::Kind kind) {
    switch (kind) {
        case FileWatch::Kind::File:
            return kOfFile;
        case FileWatch::Kind::Folder:
            return kOfFolder;
        case FileWatch::Kind::Place:
            break;
    }
    return kOfPlace;
}

}  // namespace

Result<std::unique_ptr<FileWatch>> FileWatch::create(EventLoop& loop) {
    os::UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd.valid()) {
        return fail(os::last_error("inotify_init1"));
    }
    return std::unique_ptr<FileWatch>(new FileWatch(loop, std::move(fd)));
}

FileWatch::FileWatch(EventLoop& loop, os::UniqueFd fd) : fd_(std::move(fd)) {
    registration_ = loop.watch(fd_.get(), Interest::Read, [this](bool, bool) { readable(); });
}

Result<void> FileWatch::set(const std::string& path, Kind kind, Changed changed) {
    if (watches(path)) {
        return {};
    }
    const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), mask_of(kind));
    if (watch < 0) {
        return fail(os::last_error("watch " + path));
    }
    // Two names of one file share a watch: the later one has it.
    if (const auto known = by_watch_.find(watch); known != by_watch_.end()) {
        by_path_.erase(known->second.path);
    }
    by_watch_[watch] = {path, std::move(changed)};
    by_path_[path] = watch;
    return {};
}

void FileWatch::remove(const std::string& path) {
    const auto found = by_path_.find(path);
    if (found == by_path_.end()) {
        return;
    }
    by_watch_.erase(found->second);
    (void)::inotify_rm_watch(fd_.get(), found->second);  // gone with its file: as good
    by_path_.erase(found);
}

void FileWatch::told(int watch, std::uint32_t mask, std::string_view name) {
    const auto found = by_watch_.find(watch);
    if (found == by_watch_.end()) {
        return;
    }
    const Changed changed = found->second.changed;
    if ((mask & (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF)) != 0) {
        remove(std::string(found->second.path));
    }
    changed(name);
}

void FileWatch::readable() {
    alignas(inotify_event) std::array<char, 16384> buffer{};
    for (;;) {
        const os::IoOutcome outcome = os::read_some(fd_.get(), buffer.data(), buffer.size());
        if (outcome.status != os::IoStatus::Done) {
            return;
        }
        for (std::size_t at = 0; at + sizeof(inotify_event) <= outcome.bytes;) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* const name = buffer.data() + at + sizeof event;
            at += sizeof event + event.len;
            if ((event.mask & IN_Q_OVERFLOW) != 0) {
                // What was not told may be about any of them.
                std::vector<int> all;
                for (const auto& [watch, watched] : by_watch_) {
                    all.push_back(watch);
                }
                for (const int watch : all) {
                    told(watch, 0, {});
                }
                continue;
            }
            told(event.wd, event.mask, event.len > 0 ? std::string_view(name) : std::string_view());
        }
    }
}

}  // namespace berth::loop
