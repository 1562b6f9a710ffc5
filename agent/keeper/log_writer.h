#pragma once

#include <array>
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
    std::uint64_t max_size_bytes = 0;   // of one file
    std::uint32_t keep = 0;             // rotated files besides the current one
    std::uint64_t max_total_bytes = 0;  // of all files; 0: what the two above come to
};

// What could not be written and is not told in the log yet.
struct LogLoss {
    std::uint64_t bytes = 0;  // as the app wrote them
    std::uint64_t lines = 0;  // whole ones
    std::int32_t os_errno = 0;
};

// Writes an app's output to `<folder>/current` in the CRI log format, one line of it as
//   2026-11-22T10:00:00.123456789Z stdout F text
// (P instead of F: the text goes on in the next line of that stream). A file that would grow over
// its limit is renamed to 00000001.log, 00000002.log …, which the agent may compress to
// 00000001.log.gz later, and the oldest are deleted. Nothing is kept in memory: what append() got
// is in the file, or counted as lost when the disk is full. The file always ends with a whole line,
// so a reader never sees what is taken back. A file that somebody removes or moves away, with its
// folder or without, is opened anew at the next output; what a removed one was given since it was
// looked at last (10 ms) is copied, and the log says that there is a hole.
class LogWriter {
public:
    // Opens or goes on with the folder's current file. `scratch`, where lines are put together, may
    // be shared by many writers; none: one of its own.
    static Result<LogWriter> open(const LogTarget& target, std::string* scratch = nullptr);

    // `bytes` as read, at the time `when`.
    void append(Stream stream, std::string_view bytes, WallTime when);

    // Something was written since the file was last known to be in its place. Who writes no more is
    // to have it looked at once, some time later.
    [[nodiscard]] bool is_unsure() const { return size_ != size_looked_at_; }

    // Looks whether the file is still in its place, as append() does at most once in 10 ms.
    void look_after_file(WallTime when);

    // A remark of the keeper in the app's log, as a line of stderr.
    void remark(std::string_view text, WallTime when);

    // Tells in the log what was lost, if anything and if there is room.
    void report_loss(WallTime when);

    // What is still to be told; for the next writer of this log.
    [[nodiscard]] const LogLoss& loss() const { return loss_; }

    void inherit_loss(const LogLoss& loss) { loss_ = loss; }

    // Whether there was a rotation since it was last asked.
    bool take_rotated() { return std::exchange(rotated_, false); }

    // What somebody did to the log from outside, since it was last asked; empty, mostly.
    std::string take_trouble() { return std::exchange(trouble_, {}); }

private:
    LogWriter(LogTarget target, os::UniqueFd fd, std::uint64_t size)
        : target_(std::move(target)), fd_(std::move(fd)), size_(size) {}

    [[nodiscard]] std::size_t block_limit() const;
    void write_block(std::string_view block);
    void count_loss(std::string_view lines, int os_errno);
    void rotate();
    [[nodiscard]] bool open_again();
    void copy_from(const os::UniqueFd& gone, std::uint64_t from);
    void delete_oldest() const;

    LogTarget target_;
    os::UniqueFd fd_;
    std::uint64_t size_ = 0;
    std::uint64_t next_number_ = 0;  // of the next rotated file; 0: not looked up yet
    LogLoss loss_;
    std::string* scratch_ = nullptr;
    std::string own_scratch_;
    bool rotated_ = false;
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
    WallTime looked_at_;                // when the file was known to be in its place
    std::uint64_t size_looked_at_ = 0;  // how large it was then
    bool cannot_open_ = false;          // said already
    bool cannot_rotate_ = false;        // the same
    std::string trouble_;
};

}  // namespace berth::keeper
