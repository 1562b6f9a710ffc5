#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/logs/gzip_blocks.h"
#include "shared/os/unique_fd.h"

namespace berth::logs {

// One file of a log, plain or compressed, opened when it is first read. Places in it are those of
// its text, so they hold when it is compressed.
class LogFile {
public:
    // A rotated file of the folder, in whichever form it is.
    LogFile(std::string folder, std::uint64_t number)
        : folder_(std::move(folder)), number_(number) {}

    // The current one, open already; it gets `number` when it is rotated.
    LogFile(std::string folder, std::uint64_t number, os::UniqueFd fd);

    [[nodiscard]] std::uint64_t number() const { return number_; }

    // Of its text. 0 when it has been deleted.
    std::uint64_t size();

    // False: it has been deleted, or cannot be read.
    bool readable();

    // When it was last written to, in nanoseconds since 1970; compressing does not change that.
    std::int64_t written_ns();

    // Some of its text from `offset` on, at most `size` bytes; nothing at its end.
    std::string read(std::uint64_t offset, std::size_t size);

    // Its path as it is now.
    std::string path();

private:
    bool open();
    std::string read_compressed(std::uint64_t offset, std::size_t size);

    std::string folder_;
    std::uint64_t number_;
    os::UniqueFd fd_;
    std::string name_;
    bool tried_ = false;
    std::vector<GzipBlock> blocks_;  // of a compressed file
    bool compressed_ = false;
    std::uint64_t text_at_ = 0;  // where text_ begins
    std::string text_;           // of the block that was read last
};

}  // namespace berth::logs
