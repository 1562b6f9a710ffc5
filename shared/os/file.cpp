#include "shared/os/file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::os {

namespace fs = std::filesystem;

namespace {

Result<void> sync_folder_of(const std::string& path) {
    const std::string folder = fs::path(path).parent_path().string();
    BERTH_TRY(const UniqueFd fd, open_file(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) {
        return fail(last_error("sync " + folder));
    }
    return {};
}

Result<void> write_all(int fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const IoOutcome outcome = write_some(fd, content);
        if (outcome.status != IoStatus::Done) {
            return fail(error_of(outcome.os_errno, "write " + path));
        }
        content.remove_prefix(outcome.bytes);
    }
    return {};
}

template <typename Wanted>
Result<std::vector<std::string>> names_in(const std::string& path, Wanted wanted) {
    std::error_code error;
    fs::directory_iterator entry(path, error);
    std::vector<std::string> names;
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        if (wanted(*entry)) {
            names.push_back(entry->path().filename().string());
        }
    }
    if (error) {
        return fail(error_of(error.value(), path));
    }
    std::sort(names.begin(), names.end());
    return names;
}

// Where this program is; it stays so when the file is replaced.
Result<fs::path> own_folder() {
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    if (error) {
        return fail(error_of(error.value(), "/proc/self/exe"));
    }
    return self.parent_path();
}

}  // namespace

namespace {

// Nothing that is no file is read: a FIFO has no end, a device may wait or act.
Result<std::string> read_all(const UniqueFd& fd, const std::string& path, std::size_t limit) {
    struct stat info {};

    if (::fstat(fd.get(), &info) != 0) {
        return fail(last_error(path));
    }
    if (!S_ISREG(info.st_mode)) {
        return fail(
            ErrorCode::InvalidArgument,
            path + (S_ISDIR(info.st_mode) ? " is a folder, not a file" : " is not a regular file"));
    }
    std::string content;
    std::array<char, 16384> buffer{};
    for (;;) {
        const IoOutcome outcome = read_some(fd.get(), buffer.data(), buffer.size());
        if (outcome.status == IoStatus::Closed) {
            return content;
        }
        if (outcome.status != IoStatus::Done) {
            return fail(error_of(outcome.os_errno, path));
        }
        if (content.size() + outcome.bytes > limit) {
            return fail(ErrorCode::TooLarge,
                        path + ": larger than " + std::to_string(limit) + " bytes");
        }
        content.append(buffer.data(), outcome.bytes);
    }
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
    BERTH_TRY(const UniqueFd fd, open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    return read_all(fd, path, limit);
}

Result<std::string> read_file_beneath(const std::string& folder,
                                      const std::string& path,
                                      std::size_t limit) {
    BERTH_TRY(const UniqueFd root, open_file(folder, O_PATH | O_DIRECTORY));
    open_how how{};
    how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const std::string shown = folder + "/" + path;
    UniqueFd fd(
        static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
    if (!fd.valid() && errno == ENOSYS) {  // before 5.6: no link at all
        fd = UniqueFd(::openat(root.get(), path.c_str(), static_cast<int>(how.flags) | O_NOFOLLOW));
    }
    if (!fd.valid() && (errno == EXDEV || errno == ELOOP)) {
        return fail(ErrorCode::InvalidArgument, shown + " is a link that leads out of its folder");
    }
    if (!fd.valid()) {
        return fail(last_error(shown));
    }
    return read_all(fd, shown, limit);
}

std::optional<std::string> changed_by_others(const std::string& path) {
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    for (const std::string& one : {path, folder.empty() ? std::string(".") : folder}) {
        struct stat info {};

        if (::stat(one.c_str(), &info) != 0) {
            continue;
        }
        if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
            return one + " belongs to user " + std::to_string(info.st_uid);
        }
        const bool sticky = S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0;
        if ((info.st_mode & S_IWOTH) != 0 && !sticky) {
            return one + " can be written by everybody";
        }
        if ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0 && !sticky) {
            return one + " can be written by group " + std::to_string(info.st_gid);
        }
    }
    return std::nullopt;
}

Result<std::string> read_start(const std::string& path, std::size_t size) {
    BERTH_TRY(const UniqueFd fd, open_file(path, O_RDONLY | O_NONBLOCK));
    std::string content(size, '\0');
    const IoOutcome outcome = read_some(fd.get(), content.data(), content.size());
    if (outcome.status != IoStatus::Done && outcome.status != IoStatus::Closed) {
        return fail(error_of(outcome.os_errno, path));
    }
    content.resize(outcome.bytes);
    return content;
}

Result<void> replace_file(const std::string& path,
                          std::string_view content,
                          unsigned mode,
                          Sync sync) {
    const std::string staged = path + ".new";
    {
        BERTH_TRY(const UniqueFd fd,
                  open_file(staged, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
        BERTH_CHECK(write_all(fd.get(), content, staged));
        if (sync == Sync::Now && ::fsync(fd.get()) != 0) {
            return fail(last_error("sync " + staged));
        }
    }
    if (::rename(staged.c_str(), path.c_str()) != 0) {
        return fail(last_error("rename " + staged));
    }
    return sync == Sync::Now ? sync_folder_of(path) : Result<void>();
}

Result<void> sync_file(const std::string& path) {
    BERTH_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    if (::fsync(fd.get()) != 0) {
        return fail(last_error("sync " + path));
    }
    return sync_folder_of(path);
}

Result<void> make_folders(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || (errno == EEXIST && is_folder(path))) {
        return {};  // nearly always: nothing above it is missing
    }
    fs::path done;
    for (const fs::path& part : fs::path(path)) {
        done /= part;
        if (::mkdir(done.c_str(), 0700) != 0 && !is_folder(done.string())) {
            return fail(last_error("make folder " + done.string()));
        }
    }
    return {};
}

Result<void> make_database_private(const std::string& path) {
    BERTH_CHECK(open_file(path, O_RDWR | O_CREAT, 0600));
    for (const char* const suffix : {"", "-wal", "-shm"}) {
        if (::chmod((path + suffix).c_str(), 0600) != 0 && errno != ENOENT) {
            return fail(last_error("chmod " + path + suffix));
        }
    }
    return {};
}

Result<void> let_pass(const std::string& folder) {
    struct stat info {};

    constexpr mode_t kPass = S_IXGRP | S_IXOTH;
    if (::stat(folder.c_str(), &info) != 0 ||
        ((info.st_mode & kPass) != kPass &&
         ::chmod(folder.c_str(), (info.st_mode & 07777U) | kPass) != 0)) {
        return fail(last_error(folder));
    }
    return {};
}

Result<std::vector<std::string>> list_folder(const std::string& path) {
    return names_in(path, [](const fs::directory_entry&) { return true; });
}

Result<std::vector<std::string>> folders_in(const std::string& path) {
    return names_in(path, [](const fs::directory_entry& entry) {
        std::error_code gone;
        return entry.is_directory(gone);
    });
}

Result<void> remove_tree(const std::string& path) {
    std::error_code error;
    (void)fs::remove_all(path, error);
    if (error) {
        return fail(error_of(error.value(), "remove " + path));
    }
    return {};
}

std::optional<FileStamp> stamp_of(const std::string& path) {
    struct stat info {};

    if (::stat(path.c_str(), &info) != 0) {
        return std::nullopt;
    }
    return FileStamp{info.st_dev,
                     info.st_ino,
                     static_cast<std::uint64_t>(info.st_size),
                     std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

bool is_folder(const std::string& path) {
    struct stat info {};

    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<std::string> real_path(const std::string& path) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error) {
        return fail(error_of(error.value(), path));
    }
    return real.string();
}

std::string absolute_path(const std::string& path, const std::string& base) {
    const fs::path given(path);
    if (given.is_absolute()) {
        return given.lexically_normal().string();
    }
    std::string root = base;
    if (root.empty()) {
        const auto here = current_folder();
        root = here ? *here : "/";
    }
    std::string text = (fs::path(root) / given).lexically_normal().string();
    while (text.size() > 1 && text.back() == '/') {
        text.pop_back();
    }
    return text;
}

Result<std::string> current_folder() {
    std::error_code error;
    const fs::path here = fs::current_path(error);
    if (error) {
        return fail(error_of(error.value(), "working directory"));
    }
    return here.string();
}

std::optional<std::string> path_of(int fd) {
    struct stat info {};

    std::error_code error;
    const fs::path path = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
    if (error || ::stat(path.c_str(), &info) != 0) {
        return std::nullopt;
    }

    struct stat open {};

    const bool same =
        ::fstat(fd, &open) == 0 && open.st_ino == info.st_ino && open.st_dev == info.st_dev;
    return same ? std::optional(path.string()) : std::nullopt;
}

Result<std::string> sibling_executable(std::string_view name) {
    static const Result<fs::path> folder = own_folder();
    if (!folder) {
        return fail(folder.error());
    }
    const fs::path path = *folder / name;
    if (::access(path.c_str(), X_OK) != 0) {
        return fail(last_error(path.string()));
    }
    return path.string();
}

}  // namespace berth::os
