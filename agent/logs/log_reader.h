#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/logs/log_records.h"
#include "shared/base/result.h"
#include "shared/wire/control.h"

namespace berth::logs {

// One record of a CRI log file, without its newline. Nothing: it is none.
std::optional<wire::LogLine> parse_cri(std::string_view line);

// A line that was written in pieces is put together up to here; then its text says that it is cut.
inline constexpr std::size_t kMaxLine = 1U << 20U;

// So far back are the pieces of a line looked for; if there may be more, its text says so.
inline constexpr std::uint64_t kMaxLookBack = 4U << 20U;

// What a reader is given.
//   Lines     whole lines, each where it ends, with the time of its first piece. Pieces of a line
//             that goes on are held back: they come with its end, wherever the reading began.
//   AndRest   and at the end of what there is now, as `partial`, what is not finished. It comes
//             again with its end.
//   Pieces    every piece when it is written, with `partial`, bytes as they were: for one who puts
//             them together and shows what is not finished, such as a prompt.
// In all of them a line that a run left unfinished ends where the next run begins to write.
enum class LogForm : std::uint8_t { Lines, AndRest, Pieces };

// What a reader wants of a log. At most one of `from` and `tail` is set; neither: from the oldest
// line.
struct LogQuery {
    LogForm form = LogForm::Lines;
    bool rest_of_new = false;  // AndRest: only of a stream that wrote something behind `from`
    std::optional<wire::LogPosition> from;
    std::optional<std::size_t> tail;  // the last so many whole lines
    std::optional<WallTime> since;
    std::optional<WallTime> until;                  // not from then on
    std::string stream;                             // "stdout" or "stderr"; empty: both
    std::function<bool(std::string_view)> matches;  // on the text, without a CR at its end
    std::function<std::vector<WallTime>()> runs;    // when the app's runs began, in any order
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
    [[nodiscard]] LogFiles list() const;

    std::string folder_;
};

}  // namespace berth::logs
