#include "agent/logs/log_archive.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "agent/keeperlink/log_files.h"
#include "agent/logs/gzip_blocks.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::logs {

using keeperlink::RotatedLog;

namespace {

constexpr std::string_view kUnfinished = ".gz.tmp";

Result<void> write_all(int fd, std::string_view bytes, const std::string& path) {
    while (!bytes.empty()) {
        const os::IoOutcome outcome = os::write_some(fd, bytes);
        if (outcome.status != os::IoStatus::Done) {
            return fail(os::error_of(outcome.os_errno, path));
        }
        bytes.remove_prefix(outcome.bytes);
    }
    return {};
}

// The text of `from` to `to`, in members. False: cancelled.
Result<bool> copy_compressed(int from,
                             int to,
                             const std::string& path,
                             const std::atomic<bool>& cancelled) {
    std::string text(kBlockBytes, '\0');
    for (off_t at = 0;;) {
        if (cancelled) {
            return false;
        }
        const ssize_t got = ::pread(from, text.data(), text.size(), at);
        if (got < 0) {
            return fail(os::last_error("read a rotated log"));
        }
        if (got == 0) {
            return true;
        }
        BERTH_TRY(const std::string member,
                  compress_block(std::string_view(text).substr(0, static_cast<std::size_t>(got))));
        BERTH_CHECK(write_all(to, member, path));
        at += got;
    }
}

void sync_folder(const std::string& folder) {
    if (const auto fd = os::open_file(folder, O_RDONLY | O_DIRECTORY)) {
        (void)::fsync(fd->get());  // some file systems cannot; then the names are as safe as ever
    }
}

Result<void> compress_file(const std::string& folder,
                           const std::string& name,
                           const std::atomic<bool>& cancelled) {
    const std::string plain = folder + "/" + name;
    const std::string unfinished = plain + std::string(kUnfinished);
    const std::string finished = plain + ".gz";
    const auto source = os::open_file(plain, O_RDONLY | O_NOFOLLOW);
    if (!source) {
        return {};  // the keeper has deleted it
    }
    BERTH_TRY(const os::UniqueFd target,
              os::open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));

    struct stat info {};

    const auto copied = copy_compressed(source->get(), target.get(), unfinished, cancelled);
    const bool whole =
        copied && *copied && ::fstat(source->get(), &info) == 0 && ::fsync(target.get()) == 0;
    const timespec times[2] = {info.st_mtim, info.st_mtim};
    if (!whole || ::futimens(target.get(), times) != 0 ||
        ::rename(unfinished.c_str(), finished.c_str()) != 0) {
        const Error error = copied ? os::last_error(finished) : copied.error();
        (void)::unlink(unfinished.c_str());  // else the next one does it
        return copied && !*copied ? Result<void>() : fail(error);
    }
    sync_folder(folder);
    if (::unlink(plain.c_str()) != 0) {
        (void)::unlink(finished.c_str());  // the keeper has deleted it meanwhile: it is too old
    }
    return {};
}

// What an agent that was killed has left.
void clear_up(const std::string& folder, std::vector<RotatedLog>& files) {
    const auto names = os::list_folder(folder);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        if (name.size() > kUnfinished.size() &&
            name.compare(name.size() - kUnfinished.size(), std::string::npos, kUnfinished) == 0) {
            (void)::unlink((folder + "/" + name).c_str());
        }
    }
    // The compressed one got its name after it was complete.
    for (std::size_t i = 0; i + 1 < files.size(); ++i) {
        if (files[i].number == files[i + 1].number) {
            (void)::unlink((folder + "/" + files[i].name).c_str());
            files.erase(files.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
}

struct AppLogs {
    std::string folder;
    std::deque<RotatedLog> rotated;
    std::uint64_t bytes = 0;
};

AppLogs logs_in(const std::string& folder) {
    AppLogs logs;
    logs.folder = folder;

    struct stat info {};

    if (::lstat((folder + "/current").c_str(), &info) == 0) {
        logs.bytes = static_cast<std::uint64_t>(info.st_size);
    }
    for (RotatedLog& file : keeperlink::rotated_logs(folder)) {
        logs.bytes += file.bytes;
        logs.rotated.push_back(std::move(file));
    }
    return logs;
}

}  // namespace

Result<void> compress_rotated(const std::string& folder, const std::atomic<bool>& cancelled) {
    std::vector<RotatedLog> files = keeperlink::rotated_logs(folder);
    clear_up(folder, files);
    for (std::size_t i = 0; i + 1 < files.size() && !cancelled; ++i) {
        if (!files[i].compressed) {
            BERTH_CHECK(compress_file(folder, files[i].name, cancelled));
        }
    }
    return {};
}

Trimmed trim_logs(const std::string& logs_folder, std::uint64_t max_total) {
    std::vector<AppLogs> apps;
    std::uint64_t total = 0;
    const auto names = os::list_folder(logs_folder);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        apps.push_back(logs_in(logs_folder + "/" + name));
        total += apps.back().bytes;
    }
    Trimmed trimmed;
    while (total > max_total) {
        AppLogs* largest = nullptr;
        for (AppLogs& app : apps) {
            if (!app.rotated.empty() && (largest == nullptr || app.bytes > largest->bytes)) {
                largest = &app;
            }
        }
        if (largest == nullptr) {
            break;  // nothing but files that are being written to
        }
        const RotatedLog oldest = std::move(largest->rotated.front());
        largest->rotated.pop_front();
        (void)::unlink((largest->folder + "/" + oldest.name).c_str());  // or it has gone already
        largest->bytes -= oldest.bytes;
        total -= oldest.bytes;
        trimmed.bytes += oldest.bytes;
        ++trimmed.files;
    }
    return trimmed;
}

}  // namespace berth::logs
