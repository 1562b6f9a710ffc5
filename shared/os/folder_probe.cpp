#include "shared/os/folder_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "shared/os/os_error.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

namespace {

// ext4, XFS, btrfs and tmpfs know files without a name, many others do not.
bool knows_no_nameless(int error) {
    return error == EOPNOTSUPP || error == EISDIR || error == ENOENT || error == EINVAL;
}

}  // namespace

Result<void> can_make_files(const std::string& folder) {
    UniqueFd file(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (!file.valid() && knows_no_nameless(errno)) {
        std::string name = folder + "/.berth-probe-XXXXXX";
        file = UniqueFd(::mkostemp(name.data(), O_CLOEXEC));
        if (file.valid()) {
            (void)::unlink(name.c_str());  // nobody else knows it
        }
    }
    if (!file.valid()) {
        return fail(last_error("make a file in " + folder));
    }
    constexpr std::array<char, 4096> kBlock{};
    if (::write(file.get(), kBlock.data(), kBlock.size()) < 0) {
        return fail(last_error("write a file in " + folder));
    }
    return {};
}

}  // namespace berth::os
