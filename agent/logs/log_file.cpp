#include "agent/logs/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/keeperlink/log_files.h"
#include "shared/os/fd.h"

namespace berth::logs {

LogFile::LogFile(std::string folder, std::uint64_t number, os::UniqueFd fd)
    : folder_(std::move(folder)),
      number_(number),
      fd_(std::move(fd)),
      name_("current"),
      tried_(true) {}

bool LogFile::open() {
    if (std::exchange(tried_, true)) {
        return fd_.valid();
    }
    const std::string plain = keeperlink::rotated_name(number_);
    // The plain one is deleted after the other is complete, so one of them is there.
    if (auto fd = os::open_file(folder_ + "/" + plain, O_RDONLY)) {
        fd_ = std::move(*fd);
        name_ = plain;
        return true;
    }
    auto fd = os::open_file(folder_ + "/" + plain + ".gz", O_RDONLY);
    auto blocks = fd ? read_blocks(fd->get()) : Result<std::vector<GzipBlock>>(fail(fd.error()));
    if (!blocks) {
        return false;
    }
    fd_ = std::move(*fd);
    name_ = plain + ".gz";
    blocks_ = std::move(*blocks);
    compressed_ = true;
    return true;
}

bool LogFile::readable() {
    return open();
}

std::string LogFile::path() {
    return open() ? folder_ + "/" + name_ : std::string();
}

std::uint64_t LogFile::size() {
    struct stat info {};

    if (!open()) {
        return 0;
    }
    if (compressed_) {
        return blocks_.empty() ? 0 : blocks_.back().text_at + blocks_.back().text_size;
    }
    return ::fstat(fd_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

std::int64_t LogFile::written_ns() {
    struct stat info {};

    return open() && ::fstat(fd_.get(), &info) == 0
               ? info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec
               : 0;
}

std::string LogFile::read(std::uint64_t offset, std::size_t size) {
    if (!open()) {
        return {};
    }
    if (compressed_) {
        return read_compressed(offset, size);
    }
    std::string bytes(size, '\0');
    const ssize_t got = ::pread(fd_.get(), bytes.data(), size, static_cast<off_t>(offset));
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

std::string LogFile::read_compressed(std::uint64_t offset, std::size_t size) {
    const bool at_hand = offset >= text_at_ && offset < text_at_ + text_.size();
    if (!at_hand) {
        const auto block =
            std::find_if(blocks_.begin(), blocks_.end(), [offset](const GzipBlock& candidate) {
                return offset < candidate.text_at + candidate.text_size;
            });
        if (block == blocks_.end()) {
            return {};
        }
        auto text = read_block(fd_.get(), *block);
        if (!text) {
            return {};
        }
        text_at_ = block->text_at;
        text_ = std::move(*text);
    }
    return text_.substr(static_cast<std::size_t>(offset - text_at_), size);
}

}  // namespace berth::logs
