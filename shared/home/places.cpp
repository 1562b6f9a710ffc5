#include "shared/home/places.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::home {

namespace {

constexpr const char* kBaseFile = "/runtime-dir";

// FNV-1a of 64 bits (Fowler, Noll, Vo), begun with `hash`.
std::uint64_t fnv1a(std::string_view text, std::uint64_t hash) {
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
    }
    return hash;
}

// Of the folder, or of who looks when it is not there.
unsigned owner_of(const std::string& home) {
    struct stat info {};

    return ::stat(home.c_str(), &info) == 0 ? info.st_uid : ::geteuid();
}

std::string base_of(const std::string& home, unsigned owner) {
    const auto chosen = os::read_file(home + kBaseFile);
    if (const std::string folder(chosen ? trim(*chosen) : ""); !folder.empty()) {
        return folder;
    }
    return owner == 0 ? "/run/berth" : "/tmp/berth-" + std::to_string(owner);
}

// A real folder there, not a link.
bool has_old_layout(const std::string& home) {
    struct stat info {};

    return ::lstat((home + "/run").c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

}  // namespace

Result<std::string> key_of(const std::string& folder) {
    struct statx info {};

    if (::statx(AT_FDCWD, folder.c_str(), 0, STATX_INO | STATX_BTIME, &info) != 0) {
        return fail(os::last_error(folder));
    }
    if (!S_ISDIR(info.stx_mode)) {
        return fail(ErrorCode::InvalidArgument, folder + " is not a folder");
    }
    const std::string text = std::to_string(makedev(info.stx_dev_major, info.stx_dev_minor)) + ' ' +
                             std::to_string(info.stx_ino) + ' ' +
                             std::to_string(info.stx_btime.tv_sec) + ' ' +
                             std::to_string(info.stx_btime.tv_nsec);
    constexpr std::uint64_t kBegin = 0xCBF29CE484222325U;
    const std::uint64_t first = fnv1a(text, kBegin);
    char key[33];
    (void)std::snprintf(key,
                        sizeof key,
                        "%016llx%016llx",
                        static_cast<unsigned long long>(first),
                        static_cast<unsigned long long>(fnv1a(text + " again", first)));
    return std::string(key);
}

std::string Places::at(std::string_view name) const {
    return runtime + '/' + std::string(name);
}

std::string Places::lock(std::string_view who) const {
    return (old_layout ? runtime : home) + '/' + std::string(who) + ".lock";
}

std::string Places::pid_file(std::string_view who) const {
    return at(std::string(who) + ".pid");
}

Places places_of(const std::string& home) {
    Places places;
    places.home = home;
    places.owner = owner_of(home);
    places.runtime_base = base_of(home, places.owner);
    const auto key = key_of(home);
    places.key = key ? *key : std::string();
    places.old_layout = has_old_layout(home);
    if (places.old_layout) {
        places.runtime = home + "/run";
    } else if (key) {
        places.runtime = places.runtime_base + '/' + *key;
    }
    return places;
}

Places new_layout_of(Places places) {
    places.old_layout = false;
    places.runtime = places.runtime_base + '/' + places.key;
    return places;
}

Result<void> choose_runtime_base(const std::string& home, const std::string& folder) {
    if (folder.empty() || folder.front() != '/' || folder.find('\n') != std::string::npos) {
        return fail(ErrorCode::InvalidArgument,
                    "the runtime folder \"" + folder + "\" is to be an absolute path");
    }
    const Places places = places_of(home);
    if (places.runtime_base == folder) {
        return {};
    }
    for (const char* const who : {"keeper", "agent", "controller"}) {
        if (os::is_locked(places.lock(who))) {
            return fail(ErrorCode::WrongState,
                        "the " + std::string(who) + " of " + home + " runs with its sockets in " +
                            places.runtime_base + "; end it first: berth down");
        }
    }
    return os::replace_file(home + kBaseFile, folder + "\n");
}

}  // namespace berth::home
