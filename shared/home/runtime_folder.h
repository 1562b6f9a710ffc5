#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/home/places.h"
#include "shared/os/unique_fd.h"

namespace berth::home {

// The runtime folder of a home that this process runs. While it exists, the folder is held by a
// shared lock (flock), which keeps cleaners of /tmp away and tells others that the home is alive.
class RuntimeFolder {
public:
    // Makes the folder (0700) and what is missing of it, and the link <home>/run. What was left by
    // homes that are gone is removed. `mark` is what the home's processes carry. A home of the old
    // layout is moved to the new one, and `places` with it; who calls holds its lock. Error: it
    // cannot be made, or is somebody else's.
    static Result<RuntimeFolder> open(Places& places, const std::string& mark);

    // Makes it again when it was removed, or another was put in its place. True: it was.
    Result<bool> look_after(Places& places, const std::string& mark);

    // This process ends in order. When it is the last that holds the folder and no record of a run
    // is left in it, the folder goes, and the link to it.
    void leave(const Places& places);

private:
    explicit RuntimeFolder(os::UniqueFd fd) : fd_(std::move(fd)) {}

    os::UniqueFd fd_;
};

// Whether a process holds the runtime folder KEY below BASE.
bool is_held(const std::string& base, const std::string& key);

// The home whose path was `home` when its runtime folder was made and which is held now, though
// there may be nothing any more at that path. "": none. Looks into all folders below BASE.
std::string held_folder_of(const std::string& base, const std::string& home);

}  // namespace berth::home
