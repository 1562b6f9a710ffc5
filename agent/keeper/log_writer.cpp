#include "agent/keeper/log_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

namespace {

std::string rotated_name(std::uint64_t number) {
    std::string digits = std::to_string(number);
    if (digits.size() < 8) {
        digits.insert(0, 8 - digits.size(), '0');
    }
    return digits + ".log";
}

// The number that the next rotated file of `folder` gets.
std::uint64_t next_number_in(const std::string& folder) {
    std::uint64_t highest = 0;
    const auto names = os::list_folder(folder);
    if (!names) {
        return 1;
    }
    for (const std::string& name : *names) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error == std::errc() && std::string_view(end) == ".log") {
            highest = std::max(highest, number);
        }
    }
    return highest + 1;
}

Result<os::UniqueFd> open_current(const std::string& folder) {
    return os::open_file(folder + "/current", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

// Whether a keeper that was killed while it wrote has left half a line at the end.
bool ends_within_a_line(const std::string& folder, std::uint64_t size) {
    const auto fd = os::open_file(folder + "/current", O_RDONLY | O_NOFOLLOW);
    char last = '\n';
    return size > 0 && fd && ::pread(fd->get(), &last, 1, static_cast<off_t>(size - 1)) == 1 &&
           last != '\n';
}

}  // namespace

Result<LogWriter> LogWriter::open(const LogTarget& target) {
    BERTH_CHECK(os::make_folders(target.folder));
    BERTH_TRY(os::UniqueFd fd, open_current(target.folder));

    struct stat info {};

    if (::fstat(fd.get(), &info) != 0) {
        return fail(os::last_error(target.folder));
    }
    auto size = static_cast<std::uint64_t>(info.st_size);
    if (ends_within_a_line(target.folder, size) &&
        os::write_some(fd.get(), "\n").status == os::IoStatus::Done) {
        ++size;
    }
    return LogWriter(target, std::move(fd), size, next_number_in(target.folder));
}

void LogWriter::append(Stream stream, std::string_view bytes, WallTime when) {
    if (lost_bytes_ > 0) {
        report_loss(when);
    }
    const std::string prefix =
        rfc3339_utc(when) + (stream == Stream::Stdout ? " stdout " : " stderr ");
    std::string block;
    block.reserve(bytes.size() + prefix.size() + 16);
    std::uint64_t lines = 0;
    while (!bytes.empty()) {
        const void* const found = std::memchr(bytes.data(), '\n', bytes.size());
        const bool whole = found != nullptr;
        const std::size_t length =
            whole ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data())
                  : bytes.size();
        block += prefix;
        block += whole ? "F " : "P ";
        block += bytes.substr(0, length);
        block += '\n';
        bytes.remove_prefix(length + (whole ? 1 : 0));
        ++lines;
    }
    const std::uint64_t lost_before = lost_bytes_;
    write_block(block);
    if (lost_bytes_ > lost_before) {
        lost_lines_ += lines;
    }
}

void LogWriter::remark(std::string_view text, WallTime when) {
    write_block(rfc3339_utc(when) + " stderr F [berth] " + std::string(text) + "\n");
}

// All of `block` or nothing of it gets into the file.
void LogWriter::write_block(std::string_view block) {
    if (size_ > 0 && size_ + block.size() > target_.max_size_bytes) {
        rotate();
    }
    std::string_view rest = block;
    while (!rest.empty()) {
        const os::IoOutcome outcome = os::write_some(fd_.get(), rest);
        if (outcome.status != os::IoStatus::Done) {
            (void)::ftruncate(fd_.get(), static_cast<off_t>(size_));  // shrinking needs no room
            lost_bytes_ += block.size();
            lost_errno_ = outcome.os_errno;
            return;
        }
        rest.remove_prefix(outcome.bytes);
    }
    size_ += block.size();
}

void LogWriter::report_loss(WallTime when) {
    const std::uint64_t bytes = std::exchange(lost_bytes_, 0);
    remark(std::to_string(lost_lines_) + " lines (" + std::to_string(bytes) +
               " bytes) were lost here: " + os::error_text(lost_errno_),
           when);
    if (lost_bytes_ > 0) {
        lost_bytes_ = bytes;  // the remark did not fit either
    } else {
        lost_lines_ = 0;
    }
}

void LogWriter::rotate() {
    const std::string current = target_.folder + "/current";
    const std::string rotated = target_.folder + "/" + rotated_name(next_number_);
    if (::rename(current.c_str(), rotated.c_str()) != 0) {
        const Error error = os::last_error("rename " + current);
        log::warning("cannot rotate a log, it grows on", {{"error", error.message}});
        return;
    }
    auto fresh = open_current(target_.folder);
    if (!fresh) {
        log::warning("cannot open a new log, the old one grows on",
                     {{"error", fresh.error().message}});
        (void)::rename(rotated.c_str(), current.c_str());  // fd_ still writes to it
        return;
    }
    fd_ = std::move(*fresh);
    size_ = 0;
    if (next_number_ > target_.keep) {
        const std::string oldest = target_.folder + "/" + rotated_name(next_number_ - target_.keep);
        (void)::unlink(oldest.c_str());  // it may have been deleted by hand
    }
    ++next_number_;
}

}  // namespace berth::keeper
