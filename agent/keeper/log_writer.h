#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"
#include "shared/time/clock.h"

namespace berth::keeper {

enum class Stream : std::uint8_t { Stdout, Stderr };

struct LogTarget {
    std::string folder;
    std::uint64_t max_size_bytes = 0;  // of one file
    std::uint32_t keep = 0;            // rotated files besides the current one
};

// Writes an app's output to `<folder>/current` in the CRI log format, one line of it as
//   2026-11-22T10:00:00.123456789Z stdout F text
// (P instead of F: the text goes on in the next line of that stream). A file that would grow over
// its limit is renamed to 00000001.log, 00000002.log … and the oldest are deleted. Nothing is kept
// in memory: what append() got is in the file, or counted as lost when the disk is full.
class LogWriter {
public:
    // Opens or goes on with the folder's current file.
    static Result<LogWriter> open(const LogTarget& target);

    // `bytes` as read, at the time `when`.
    void append(Stream stream, std::string_view bytes, WallTime when);

    // A remark of the keeper in the app's log, as a line of stderr.
    void remark(std::string_view text, WallTime when);

private:
    LogWriter(LogTarget target, os::UniqueFd fd, std::uint64_t size, std::uint64_t next_number)
        : target_(std::move(target)), fd_(std::move(fd)), size_(size), next_number_(next_number) {}

    void write_block(std::string_view block);
    void report_loss(WallTime when);
    void rotate();

    LogTarget target_;
    os::UniqueFd fd_;
    std::uint64_t size_ = 0;
    std::uint64_t next_number_ = 1;
    std::uint64_t lost_bytes_ = 0;
    std::uint64_t lost_lines_ = 0;
    int lost_errno_ = 0;
};

}  // namespace berth::keeper
