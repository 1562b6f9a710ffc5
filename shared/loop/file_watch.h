#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::loop {

// Tells when files, or the names in folders, change: one inotify instance. A file that is replaced
// by another of its name is told once; what then has its name is watched after the next set(). Loop
// thread.
class FileWatch {
public:
    // A file: it was written and closed, replaced, moved or removed. A folder: a name in it came,
    // went, or was written and closed; `name` is that name. A place: the folder itself was moved or
    // removed, whatever is in it.
    enum class Kind : std::uint8_t { File, Folder, Place };
    using Changed = std::function<void(std::string_view name)>;

    static Result<std::unique_ptr<FileWatch>> create(EventLoop& loop);

    // Once per path; `changed` is called from the loop. Error: it cannot be watched, for it is not
    // there or the machine's watches are used up.
    Result<void> set(const std::string& path, Kind kind, Changed changed);
    void remove(const std::string& path);

    [[nodiscard]] bool watches(const std::string& path) const { return by_path_.count(path) != 0; }

private:
    struct Watched {
        std::string path;
        Changed changed;
    };

    FileWatch(EventLoop& loop, os::UniqueFd fd);
    void readable();
    void told(int watch, std::uint32_t mask, std::string_view name);

    os::UniqueFd fd_;
    std::map<int, Watched> by_watch_;
    std::map<std::string, int> by_path_;
    Registration registration_;
};

}  // namespace berth::loop
