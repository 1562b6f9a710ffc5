#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/logs/log_file.h"
#include "shared/wire/control.h"

namespace berth::logs {

// A log's files by number; the last one is `current`.
struct LogFiles {
    std::vector<LogFile> files;

    LogFile* find(std::uint64_t number);
};

// Goes back through a log from a place between two records, over rotated files, to its beginning
// or to a file that is gone.
class RecordsBack {
public:
    RecordsBack(LogFiles& files, const wire::LogPosition& from);

    // The record before the one that was given last, without its newline. False: there is none.
    bool next();

    [[nodiscard]] std::string_view record() const {
        return std::string_view(text_).substr(begin_, end_ - begin_ - 1);
    }

    // Where it begins.
    [[nodiscard]] wire::LogPosition position() const { return {number_, at_ + begin_}; }

    // Bytes gone through.
    [[nodiscard]] std::uint64_t scanned() const { return scanned_; }

    [[nodiscard]] LogFile& file() const { return *file_; }

private:
    bool enter(LogFile* file);
    bool fill();

    LogFiles& files_;
    LogFile* file_ = nullptr;
    std::uint64_t number_ = 0;
    std::uint64_t at_ = 0;   // where text_ begins in the file
    std::string text_;       // from there on
    std::size_t begin_ = 0;  // of the record, in text_
    std::size_t end_ = 0;    // behind its newline
    std::size_t step_ = 0;   // how much is read at once
    std::uint64_t scanned_ = 0;
};

}  // namespace berth::logs
