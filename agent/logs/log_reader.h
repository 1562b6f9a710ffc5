#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "shared/base/result.h"
#include "shared/wire/control.h"

namespace berth::logs {

class LogFile;

// One line of a CRI log file, without its newline. Nothing: it is none.
std::optional<wire::LogLine> parse_cri(std::string_view line);

// What a reader wants of a log. At most one of `from` and `tail` is set; neither: from the oldest
// line.
struct LogQuery {
    std::optional<wire::LogPosition> from;
    std::optional<std::size_t> tail;  // the last so many whole lines
    std::optional<WallTime> since;
    std::optional<WallTime> until;                  // not from then on
    std::string stream;                             // "stdout" or "stderr"; empty: both
    std::function<bool(std::string_view)> matches;  // on the text; empty: all
    std::size_t max_lines = 1000;
    std::size_t max_bytes = 512U << 10U;
    std::size_t max_scan = 16U << 20U;  // bytes looked through; then the batch is `truncated`
};

// Reads the folder that the keeper writes (see keeper/log_writer.h). Opens files only while it
// reads; any number of readers, at any pace, cost the writer nothing.
class LogReader {
public:
    explicit LogReader(std::string folder) : folder_(std::move(folder)) {}

    [[nodiscard]] Result<wire::LogBatch> read(const LogQuery& query) const;

    // The end of what is written now.
    [[nodiscard]] wire::LogPosition end() const;

    // All files, oldest first, as paths; for a download.
    [[nodiscard]] std::vector<std::string> files() const;

    [[nodiscard]] const std::string& folder() const { return folder_; }

private:
    struct Files;

    // What a batch may still take.
    struct Budget {
        std::size_t bytes;
        std::size_t scanned;
    };

    [[nodiscard]] Files list() const;
    static wire::LogPosition tail_position(Files& files, const LogQuery& query);
    static void find_begin(Files& files, const LogQuery& query, wire::LogBatch& batch);
    static bool read_file(LogFile& file,
                          const LogQuery& query,
                          wire::LogBatch& batch,
                          Budget& budget);

    std::string folder_;
};

}  // namespace berth::logs
