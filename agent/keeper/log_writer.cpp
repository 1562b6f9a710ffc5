#include "agent/keeper/log_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/keeperlink/log_files.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

using keeperlink::rotated_logs;
using keeperlink::RotatedLog;

namespace {

// Time, blank, stream, blank, F or P, blank.
constexpr std::size_t kPrefix = 40;

constexpr Duration kLook = std::chrono::milliseconds(10);

// Lines are written in blocks of about this size. One that is longer makes its own.
constexpr std::size_t kBlock = 256U << 10U;

Result<os::UniqueFd> open_current(const std::string& folder) {
    return os::open_file(folder + "/current", O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

// Whether a keeper that was killed while it wrote has left half a line at the end.
bool ends_within_a_line(const os::UniqueFd& fd, std::uint64_t size) {
    char last = '\n';
    return size > 0 && ::pread(fd.get(), &last, 1, static_cast<off_t>(size - 1)) == 1 &&
           last != '\n';
}

std::uint64_t next_number_in(const std::string& folder) {
    const auto files = rotated_logs(folder);
    return files.empty() ? 1 : files.back().number + 1;
}

}  // namespace

Result<LogWriter> LogWriter::open(const LogTarget& target, std::string* scratch) {
    BERTH_CHECK(os::make_folders(target.folder));
    BERTH_TRY(os::UniqueFd fd, open_current(target.folder));

    struct stat info {};

    if (::fstat(fd.get(), &info) != 0) {
        return fail(os::last_error(target.folder));
    }
    auto size = static_cast<std::uint64_t>(info.st_size);
    if (ends_within_a_line(fd, size) &&
        os::write_some(fd.get(), "\n").status == os::IoStatus::Done) {
        ++size;
    }
    LogWriter writer(target, std::move(fd), size);
    writer.scratch_ = scratch;
    writer.device_ = info.st_dev;
    writer.inode_ = info.st_ino;
    return writer;
}

void LogWriter::look_after_file(WallTime when) {
    struct stat info {};

    const bool in_place = ::stat((target_.folder + "/current").c_str(), &info) == 0 &&
                          info.st_ino == inode_ && info.st_dev == device_;
    looked_at_ = when;
    if (in_place) {
        size_looked_at_ = size_;
        return;
    }

    struct stat held {};

    const bool removed = ::fstat(fd_.get(), &held) == 0 && held.st_nlink == 0;
    const os::UniqueFd gone = std::move(fd_);
    const std::uint64_t from = size_looked_at_;
    if (!open_again()) {
        fd_ = os::UniqueFd(::dup(gone.get()));  // goes on where nobody sees it, until it can be
        return;
    }
    trouble_ =
        removed ? "its log was removed: what it wrote before " + rfc3339_utc(when, 0) + " is gone"
                : "its log was moved away, it goes on in a new file";
    if (removed) {
        copy_from(gone, from);
    }
    remark(trouble_, when);
}

bool LogWriter::open_again() {
    auto made = os::make_folders(target_.folder);
    auto fresh = made ? open_current(target_.folder) : Result<os::UniqueFd>(fail(made.error()));

    struct stat info {};

    if (!fresh || ::fstat(fresh->get(), &info) != 0) {
        if (!std::exchange(cannot_open_, true)) {
            log::warning(
                "a log that was taken away cannot be opened again",
                {{"folder", target_.folder}, {"error", fresh ? "fstat" : fresh.error().message}});
        }
        return false;
    }
    cannot_open_ = false;
    fd_ = std::move(*fresh);
    device_ = info.st_dev;
    inode_ = info.st_ino;
    size_ = static_cast<std::uint64_t>(info.st_size);
    size_looked_at_ = size_;
    next_number_ = 0;
    return true;
}

// The lines behind `from`, which is the end of one.
void LogWriter::copy_from(const os::UniqueFd& gone, std::uint64_t from) {
    std::string lines(kBlock, '\0');
    for (;;) {
        const ssize_t got =
            ::pread(gone.get(), lines.data(), lines.size(), static_cast<off_t>(from));
        if (got <= 0) {
            return;
        }
        write_block(std::string_view(lines).substr(0, static_cast<std::size_t>(got)));
        from += static_cast<std::uint64_t>(got);
    }
}

// A block is no larger than a file may be, or a file would be by far.
std::size_t LogWriter::block_limit() const {
    return static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, target_.max_size_bytes));
}

void LogWriter::append(Stream stream, std::string_view bytes, WallTime when) {
    if (when < looked_at_ || when - looked_at_ >= kLook) {
        look_after_file(when);
    }
    if (loss_.bytes > 0) {
        report_loss(when);
    }
    const std::string prefix =
        rfc3339_utc(when) + (stream == Stream::Stdout ? " stdout F " : " stderr F ");
    std::string& block = scratch_ != nullptr ? *scratch_ : own_scratch_;
    const std::size_t limit = block_limit();
    block.resize(std::max(block.size(), 2 * kBlock));
    std::size_t used = 0;
    while (!bytes.empty()) {
        const void* const found = std::memchr(bytes.data(), '\n', bytes.size());
        const std::size_t length =
            found == nullptr
                ? bytes.size()
                : static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
        const std::size_t needed = kPrefix + length + 1;
        if (used > 0 && used + needed > limit) {
            write_block(std::string_view(block).substr(0, used));
            used = 0;
        }
        if (used + needed > block.size()) {
            block.resize(used + needed);
        }
        char* const line = block.data() + used;
        std::memcpy(line, prefix.data(), kPrefix);
        line[38] = found == nullptr ? 'P' : 'F';
        std::memcpy(line + kPrefix, bytes.data(), length);
        line[kPrefix + length] = '\n';
        used += needed;
        bytes.remove_prefix(length + (found == nullptr ? 0 : 1));
    }
    write_block(std::string_view(block).substr(0, used));
}

void LogWriter::remark(std::string_view text, WallTime when) {
    write_block(rfc3339_utc(when) + " stderr F [berth] " + std::string(text) + "\n");
}

// What does not fit is cut off behind the last line that did, and counted.
void LogWriter::write_block(std::string_view block) {
    if (size_ > 0 && size_ + block.size() > target_.max_size_bytes) {
        rotate();
    }
    std::size_t written = 0;
    while (written < block.size()) {
        const os::IoOutcome outcome = os::write_some(fd_.get(), block.substr(written));
        if (outcome.status != os::IoStatus::Done) {
            const std::size_t newline =
                written == 0 ? std::string_view::npos : block.rfind('\n', written - 1);
            const std::size_t whole = newline == std::string_view::npos ? 0 : newline + 1;
            size_ += whole;
            (void)::ftruncate(fd_.get(), static_cast<off_t>(size_));  // shrinking needs no room
            count_loss(block.substr(whole), outcome.os_errno);
            return;
        }
        written += outcome.bytes;
    }
    size_ += block.size();
}

void LogWriter::count_loss(std::string_view lines, int os_errno) {
    loss_.os_errno = os_errno;
    while (!lines.empty()) {
        const bool whole = lines[kPrefix - 2] == 'F';
        const std::size_t length = lines.find('\n') + 1;
        loss_.lines += whole ? 1 : 0;
        loss_.bytes += length - kPrefix - (whole ? 0 : 1);  // a part has no newline of its own
        lines.remove_prefix(length);
    }
}

void LogWriter::report_loss(WallTime when) {
    if (loss_.bytes == 0) {
        return;
    }
    const LogLoss loss = std::exchange(loss_, {});
    remark(std::to_string(loss.lines) + " lines (" + std::to_string(loss.bytes) +
               " bytes) were lost here: " + os::error_text(loss.os_errno),
           when);
    if (loss_.bytes > 0) {
        loss_ = loss;  // the remark did not fit either
    }
}

void LogWriter::rotate() {
    if (next_number_ == 0) {
        next_number_ = next_number_in(target_.folder);
    }
    const std::string current = target_.folder + "/current";
    const std::string rotated = target_.folder + "/" + keeperlink::rotated_name(next_number_);
    if (::rename(current.c_str(), rotated.c_str()) != 0) {
        const Error error = os::last_error("rename " + current);
        if (!std::exchange(cannot_rotate_, true)) {
            log::warning("cannot rotate a log, it grows on", {{"error", error.message}});
        }
        return;
    }
    auto fresh = open_current(target_.folder);
    if (!fresh) {
        if (!std::exchange(cannot_rotate_, true)) {
            log::warning("cannot open a new log, the old one grows on",
                         {{"error", fresh.error().message}});
        }
        (void)::rename(rotated.c_str(), current.c_str());  // fd_ still writes to it
        return;
    }

    struct stat info {};

    if (::fstat(fresh->get(), &info) == 0) {
        device_ = info.st_dev;
        inode_ = info.st_ino;
    }
    fd_ = std::move(*fresh);
    size_ = 0;
    size_looked_at_ = 0;
    ++next_number_;
    cannot_rotate_ = false;
    rotated_ = true;
    delete_oldest();
}

// Also what a lower `keep` or a smaller total than before leaves over.
void LogWriter::delete_oldest() const {
    const std::vector<RotatedLog> files = rotated_logs(target_.folder);
    std::uint64_t total = target_.max_size_bytes;  // the current file will be as large
    for (const RotatedLog& file : files) {
        total += file.bytes;
    }
    std::size_t left = files.size();
    for (const RotatedLog& file : files) {
        const bool too_many = left > target_.keep;
        const bool too_much = target_.max_total_bytes > 0 && total > target_.max_total_bytes;
        if (!too_many && !too_much) {
            return;
        }
        (void)::unlink((target_.folder + "/" + file.name).c_str());  // or done by hand already
        total -= file.bytes;
        --left;
    }
}

}  // namespace berth::keeper
