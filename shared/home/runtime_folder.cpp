#include "shared/home/runtime_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "shared/base/text.h"
#include "shared/home/marks.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::home {

namespace {

constexpr const char* kOwnerFile = "/home";  // whose folder it is: path, mark
constexpr const char* kRecords = "keeper.records";

struct Owner {
    std::string home;
    std::string mark;
};

Owner owner_of(const std::string& folder) {
    const auto text = os::read_file(folder + kOwnerFile);
    const auto lines = split(text ? *text : std::string_view(), '\n');
    return {std::string(lines.empty() ? "" : lines[0]),
            std::string(lines.size() < 2 ? "" : lines[1])};
}

bool is_at(const os::UniqueFd& fd, const std::string& path) {
    struct stat open {};

    struct stat there {};

    return ::fstat(fd.get(), &open) == 0 && ::lstat(path.c_str(), &there) == 0 &&
           open.st_ino == there.st_ino && open.st_dev == there.st_dev;
}

// A folder of ours, whatever somebody put there before us. In /tmp everybody may.
Result<void> make_own(const std::string& folder, unsigned owner) {
    struct stat info {};

    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
        return fail(os::last_error("make folder " + folder));
    }
    if (::lstat(folder.c_str(), &info) != 0) {
        return fail(os::last_error(folder));
    }
    const bool ours = info.st_uid == ::geteuid() || (::geteuid() == 0 && info.st_uid == owner);
    if (!S_ISDIR(info.st_mode) || !ours) {
        return fail(ErrorCode::PermissionDenied,
                    folder + " is to be a folder of user " + std::to_string(::geteuid()) +
                        " for what runs of Berth, and is " +
                        (S_ISDIR(info.st_mode) ? "one of user " + std::to_string(info.st_uid)
                                               : "something else") +
                        "; remove it, or choose another with --runtime-dir");
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO) & ~unsigned(S_IXGRP | S_IXOTH)) != 0 &&
        ::chmod(folder.c_str(), 0700) != 0) {
        return fail(os::last_error("chmod " + folder));
    }
    return {};
}

// The folder is there, and is held. Who held it last may be removing it: then it is made again.
Result<os::UniqueFd> make_and_hold(const std::string& folder, unsigned owner) {
    for (;;) {
        BERTH_CHECK(make_own(folder, owner));
        auto fd = os::open_file(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (!fd && fd.error().code == ErrorCode::NotFound) {
            continue;
        }
        if (!fd) {
            return fail(fd.error());
        }
        while (::flock(fd->get(), LOCK_SH) != 0) {
            if (errno != EINTR) {
                return fail(os::last_error("hold " + folder));
            }
        }
        if (is_at(*fd, folder)) {
            return std::move(*fd);
        }
    }
}

bool links_to(const std::string& link, std::string_view target) {
    std::vector<char> found(target.size() + 2);
    const ssize_t size = ::readlink(link.c_str(), found.data(), found.size());
    return size >= 0 && std::string_view(found.data(), static_cast<std::size_t>(size)) == target;
}

// For people and old clients. A home that is read only goes without.
void link_from_home(const Places& places) {
    const std::string link = places.home + "/run";
    if (links_to(link, places.runtime)) {
        return;
    }
    const std::string made = link + ".new";
    (void)::unlink(made.c_str());  // of an earlier try
    if (::symlink(places.runtime.c_str(), made.c_str()) != 0 ||
        ::rename(made.c_str(), link.c_str()) != 0) {
        log::warning("cannot make the link to the runtime folder",
                     {{"error", os::last_error(link).message}});
    }
}

// Programs of the version before look for the locks there.
void link_locks(const Places& places) {
    for (const char* const who : {"keeper", "agent", "controller"}) {
        const std::string link = places.at(std::string(who) + ".lock");
        if (!links_to(link, places.lock(who))) {
            (void)::unlink(link.c_str());
            (void)::symlink(places.lock(who).c_str(), link.c_str());  // nothing of ours follows it
        }
    }
}

// What outlives the programs of the version before goes where it is now: the keeper's records are
// copied when they are of this home and not of one that it is a copy of, the locks keep their
// holders as the files stay the same. Done again when it was broken off: until the last step the
// old folder counts.
Result<void> leave_old_layout(const Places& old, const Places& places, const std::string& mark) {
    if (mark_of_records(old.at(kRecords)) == mark) {
        BERTH_TRY(const std::string records, os::read_file(old.at(kRecords)));
        BERTH_CHECK(os::replace_file(places.at(kRecords), records));
    }
    for (const char* const who : {"keeper", "agent", "controller"}) {
        if (os::exists(old.lock(who)) &&
            ::rename(old.lock(who).c_str(), places.lock(who).c_str()) != 0) {
            return fail(os::last_error("move " + old.lock(who)));
        }
    }
    const std::string aside = old.runtime + ".before";
    BERTH_CHECK(os::remove_tree(aside));
    if (::rename(old.runtime.c_str(), aside.c_str()) != 0) {
        return fail(os::last_error("move " + old.runtime));
    }
    log::info("what is of running programs is in a folder of its own now",
              {{"folder", places.runtime}});
    return os::remove_tree(aside);
}

// What is in every such folder.
Result<void> furnish(const Places& places, const std::string& mark) {
    const std::string owner = places.home + '\n' + mark + '\n';
    const auto present = os::read_file(places.runtime + kOwnerFile);
    if (!present || *present != owner) {
        BERTH_CHECK(os::replace_file(places.runtime + kOwnerFile, owner));
    }
    link_from_home(places);
    link_locks(places);
    return {};
}

bool nobody_holds(const std::string& folder) {
    const auto fd = os::open_file(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return fd && ::flock(fd->get(), LOCK_EX | LOCK_NB) == 0;
}

// Removes what homes have left that are gone, or are elsewhere now, and of which nothing lives.
void sweep(const std::string& base) {
    const auto names = os::folders_in(base);
    std::vector<std::string> left;
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::string folder = base + '/' + name;
        const Owner owner = owner_of(folder);
        const auto key = owner.home.empty() ? Result<std::string>("") : key_of(owner.home);
        if (name.size() == 32 && !owner.home.empty() && (!key || *key != name) &&
            nobody_holds(folder)) {
            left.push_back(folder);
        }
    }
    if (left.empty()) {
        return;
    }
    const auto living = living_marks();
    for (const std::string& folder : left) {
        if (living.count(owner_of(folder).mark) == 0 && nobody_holds(folder)) {
            (void)os::remove_tree(folder);  // what cannot be removed is looked at the next time
        }
    }
}

}  // namespace

Result<RuntimeFolder> RuntimeFolder::open(Places& places, const std::string& mark) {
    const std::string base = places.runtime_base;
    BERTH_CHECK(os::make_folders(base));
    if (base.substr(0, 11) == "/tmp/berth-") {  // where somebody else may have made it first
        BERTH_CHECK(make_own(base, places.owner));
    }
    if (::geteuid() == 0) {
        BERTH_CHECK(os::let_pass(base));  // apps of other users reach what is theirs in it
    }
    const Places old = places;
    places = new_layout_of(places);
    BERTH_TRY(os::UniqueFd fd, make_and_hold(places.runtime, places.owner));
    if (old.old_layout) {
        BERTH_CHECK(leave_old_layout(old, places, mark));
    }
    BERTH_CHECK(furnish(places, mark));
    sweep(base);
    return RuntimeFolder(std::move(fd));
}

Result<bool> RuntimeFolder::look_after(Places& places, const std::string& mark) {
    if (is_at(fd_, places.runtime)) {
        if (os::exists(places.runtime + kOwnerFile)) {
            return false;
        }
        BERTH_CHECK(furnish(places, mark));
        return true;
    }
    BERTH_TRY(RuntimeFolder again, open(places, mark));
    *this = std::move(again);
    return true;
}

void RuntimeFolder::leave(const Places& places) {
    if (os::exists(places.at(kRecords)) || ::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
        return;
    }
    (void)os::remove_tree(places.runtime);  // what stays is in nobody's way
    if (links_to(places.home + "/run", places.runtime)) {
        (void)::unlink((places.home + "/run").c_str());
    }
}

bool is_held(const std::string& base, const std::string& key) {
    const std::string folder = base + '/' + key;
    return os::is_folder(folder) && !nobody_holds(folder);
}

std::string held_folder_of(const std::string& base, const std::string& home) {
    const auto names = os::folders_in(base);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const std::string folder = base + '/' + name;
        if (owner_of(folder).home == home && !nobody_holds(folder)) {
            return folder;
        }
    }
    return {};
}

}  // namespace berth::home
