#include "agent/logs/log_records.h"

#include <algorithm>

namespace berth::logs {

namespace {

constexpr std::size_t kFirstStep = 4U << 10U;  // what is looked for is near, nearly always
constexpr std::size_t kBlock = 64U << 10U;

static_assert(kBlockBytes % kBlock == 0, "a block of ours lies in one of a compressed file");

}  // namespace

LogFile* LogFiles::find(std::uint64_t number) {
    for (LogFile& file : files) {
        if (file.number() == number) {
            return &file;
        }
    }
    return nullptr;
}

RecordsBack::RecordsBack(LogFiles& files, const wire::LogPosition& from)
    : files_(files), number_(from.file), at_(from.offset), step_(kFirstStep) {
    file_ = files.find(from.file);
    if (file_ == nullptr || !file_->readable()) {
        file_ = nullptr;
    }
}

bool RecordsBack::next() {
    end_ = begin_;
    while (file_ != nullptr) {
        if (end_ > 0) {
            const std::size_t newline = end_ >= 2 ? text_.rfind('\n', end_ - 2) : std::string::npos;
            if (newline != std::string::npos || at_ == 0) {
                begin_ = newline == std::string::npos ? 0 : newline + 1;
                scanned_ += end_ - begin_;
                return true;
            }
        }
        if (at_ > 0 ? !fill() : !enter(file_ == &files_.files.front() ? nullptr : file_ - 1)) {
            file_ = nullptr;
        }
    }
    return false;
}

// Begins at the end of a file.
bool RecordsBack::enter(LogFile* file) {
    if (file == nullptr || !file->readable()) {
        return false;
    }
    file_ = file;
    number_ = file->number();
    at_ = file->size();
    text_.clear();
    begin_ = end_ = 0;
    return true;
}

// Reads the block before text_.
bool RecordsBack::fill() {
    const std::uint64_t begin = (at_ - 1) / step_ * step_;
    step_ = std::min(2 * step_, kBlock);
    const std::string block = file_->read(begin, static_cast<std::size_t>(at_ - begin));
    if (block.size() != at_ - begin) {
        return false;
    }
    at_ = begin;
    const bool first = end_ == 0;
    text_.resize(end_);
    text_.insert(0, block);
    end_ += block.size();
    if (first) {  // what is behind the last newline is still being written
        const std::size_t newline = text_.rfind('\n');
        end_ = newline == std::string::npos ? 0 : newline + 1;
        text_.resize(end_);
    }
    return true;
}

}  // namespace berth::logs
