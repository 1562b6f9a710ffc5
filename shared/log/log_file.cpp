#include "shared/log/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <string_view>

namespace berth::log {

namespace {

constexpr std::string_view kSuffix = ".log";
constexpr std::string_view kAside = ".1";
constexpr std::string_view kDeleted = " (deleted)";  // as /proc says it

bool same_file(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

void LogFile::begin() {
    begun_ = true;

    struct stat now {};

    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || (flags & O_APPEND) == 0 || ::fstat(fd_, &now) != 0 || !S_ISREG(now.st_mode)) {
        return;
    }
    std::array<char, PATH_MAX> target{};
    const std::string link = "/proc/self/fd/" + std::to_string(fd_);
    const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
    std::string_view path(target.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
    // Who started this process may have held what was put aside, or removed, meanwhile.
    for (const std::string_view former : {kDeleted, kAside}) {
        if (path.size() > former.size() && path.substr(path.size() - former.size()) == former) {
            path.remove_suffix(former.size());
        }
    }
    if (path.size() > kSuffix.size() && path.substr(path.size() - kSuffix.size()) == kSuffix) {
        path_ = path;
    }
}

// Nothing here can be told to anybody: a log that cannot be looked after is written on.
void LogFile::look_after() {
    if (!begun_) {
        begin();
    }

    struct stat ours {};

    struct stat there {};

    if (path_.empty() || ::fstat(fd_, &ours) != 0) {
        return;
    }
    bool is_there = ::stat(path_.c_str(), &there) == 0;
    if (!is_there && ours.st_nlink > 0) {
        begin();  // its folder may have another name now
        is_there = !path_.empty() && ::stat(path_.c_str(), &there) == 0;
    }
    if (!is_there || !same_file(ours, there)) {
        reopen();  // another process has begun a new one, or it was moved or removed
    } else if (static_cast<std::uint64_t>(ours.st_size) >= largest_) {
        rotate();
    }
}

void LogFile::reopen() const {
    const int fresh = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fresh < 0) {
        return;
    }

    struct stat ours {};

    struct stat out {};

    const bool both =
        ::fstat(fd_, &ours) == 0 && ::fstat(STDOUT_FILENO, &out) == 0 && same_file(ours, out);
    (void)::dup2(fresh, fd_);
    if (both) {
        (void)::dup2(fresh, STDOUT_FILENO);
    }
    (void)::close(fresh);
}

// The lock is on an opening of its own: those that processes inherit from each other share theirs.
void LogFile::rotate() const {
    const int lock = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) {
        return;
    }

    struct stat locked {};

    struct stat there {};

    if (::flock(lock, LOCK_EX | LOCK_NB) == 0 && ::fstat(lock, &locked) == 0 &&
        ::stat(path_.c_str(), &there) == 0 && same_file(locked, there) &&
        static_cast<std::uint64_t>(locked.st_size) >= largest_) {
        (void)::rename(path_.c_str(), (path_ + std::string(kAside)).c_str());
        reopen();
    }
    (void)::close(lock);
}

}  // namespace berth::log
