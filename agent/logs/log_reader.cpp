#include "agent/logs/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "agent/keeperlink/log_files.h"
#include "agent/logs/log_file.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::logs {

namespace {

constexpr std::size_t kBlock = 64U << 10U;

// The kernel stamps files with the time of its last tick, a hundredth of a second ago at most: a
// file that was just written to may look that much older than its last line.
constexpr std::int64_t kTickNs = 20'000'000;

}  // namespace

std::optional<wire::LogLine> parse_cri(std::string_view line) {
    // time, blank, stream of six letters, blank, F or P, blank, text
    if (line.size() < 40 || line[30] != ' ' || line[37] != ' ' || line[39] != ' ') {
        return std::nullopt;
    }
    const auto time = parse_rfc3339_utc(line.substr(0, 30));
    const std::string_view stream = line.substr(31, 6);
    const char tag = line[38];
    if (!time || (stream != "stdout" && stream != "stderr") || (tag != 'F' && tag != 'P')) {
        return std::nullopt;
    }
    return wire::LogLine{*time, stream == "stderr", tag == 'P', std::string(line.substr(40))};
}

LogFiles LogReader::list() const {
    // `current` is opened before the folder is listed: if a rotation comes in between, its name
    // shows up in the list as a number that is as high as the one we would give it, and we look
    // again.
    for (int attempt = 0;; ++attempt) {
        LogFiles result;
        auto current = os::open_file(folder_ + "/current", O_RDONLY);

        struct stat info {};

        const std::uint64_t inode =
            current && ::fstat(current->get(), &info) == 0 ? info.st_ino : 0;
        std::uint64_t highest = 0;
        bool rotated = false;
        for (const keeperlink::RotatedLog& file : keeperlink::rotated_logs(folder_)) {
            rotated = rotated || (::lstat((folder_ + "/" + file.name).c_str(), &info) == 0 &&
                                  info.st_ino == inode);
            if (file.number != highest) {  // else it is there in both forms
                result.files.emplace_back(folder_, file.number);
            }
            highest = file.number;
        }
        if (rotated && attempt < 3) {
            continue;
        }
        if (current && !rotated) {
            result.files.emplace_back(folder_, highest + 1, std::move(*current));
        }
        return result;
    }
}

std::vector<std::string> LogReader::files() const {
    std::vector<std::string> paths;
    LogFiles files = list();
    for (LogFile& file : files.files) {
        if (std::string path = file.path(); !path.empty()) {
            paths.push_back(std::move(path));
        }
    }
    return paths;
}

wire::LogPosition LogReader::end() const {
    LogFiles files = list();
    if (files.files.empty()) {
        return {1, 0};
    }
    return {files.files.back().number(), files.files.back().size()};
}

namespace {

constexpr std::string_view kCut = " … [berth: line cut at 1 MiB]";
constexpr std::string_view kHeadless = "[berth: this line began over 4 MiB before] … ";
constexpr std::string_view kRemark = "[berth] ";  // how the keeper begins what it says itself

// A line as far as its pieces were seen.
struct Begun {
    bool any = false;
    bool headless = false;  // there may be more before it
    WallTime first;         // of its first piece
    WallTime last;          // of its last one
    std::string text;

    // No more than what the line can show is kept.
    void add(std::string_view piece) {
        constexpr std::size_t kEnough = kMaxLine + 1;
        text += piece.substr(0, kEnough - std::min(kEnough, text.size()));
    }
};

wire::LogLine line_of(Begun begun, bool is_stderr, bool partial) {
    if (begun.text.size() > kMaxLine) {
        std::size_t length = kMaxLine;
        while (length > 0 && (static_cast<unsigned char>(begun.text[length]) & 0xC0U) == 0x80U) {
            --length;  // no character is cut
        }
        begun.text.resize(length);
        begun.text += kCut;
    }
    if (begun.headless) {
        begun.text.insert(0, kHeadless);
    }
    return {begun.first, is_stderr, partial, std::move(begun.text)};
}

// What tells whether a record goes on with what its stream wrote before.
struct Mark {
    WallTime time;
    bool remark = false;  // the keeper's own

    explicit Mark(const wire::LogLine& line)
        : time(line.time),
          remark(line.is_stderr && !line.partial && line.text.starts_with(kRemark)) {}
};

// Answers one query. Whatever place a reading begins at, it gives the lines that end behind it,
// whole: what was written of them before is looked up when their end is reached, and not earlier,
// so that a line which grows by the byte is not read again for each of them.
class Reading {
public:
    Reading(const LogQuery& query, LogFiles& files) : query_(query), files_(files) {}

    wire::LogBatch read();

private:
    // What is known of a stream on the way forward.
    struct Stream {
        bool seen = false;   // there was a record of it
        bool known = false;  // nothing before `at` belongs to `begun`
        wire::LogPosition at;
        std::optional<Mark> first;  // the record there
        Begun begun;
    };

    // And on the way back.
    struct Side {
        std::optional<Mark> next;  // the record after the one that is looked at
        wire::LogPosition next_at;
        bool open = false;                // a line whose end was seen, and its beginning not yet
        wire::LogPosition at;             // where it is given
        std::uint64_t scanned = 0;        // until then
        std::vector<std::string> pieces;  // the last one first
        wire::LogLine line;
    };

    [[nodiscard]] bool wants(bool is_stderr) const {
        return query_.stream.empty() || (query_.stream == "stderr") == is_stderr;
    }

    [[nodiscard]] bool fits(const wire::LogLine& line) const {
        return (!query_.since || line.time >= *query_.since) &&
               (!query_.until || line.time < *query_.until) && wants(line.is_stderr) &&
               (!query_.matches || query_.matches(wire::shown_text(line)));
    }

    // Whether the last lines of a log can be told by their ends alone.
    [[nodiscard]] bool takes_all() const {
        return !query_.since && !query_.until && !query_.matches;
    }

    [[nodiscard]] bool is_tail() const { return query_.tail && !query_.from; }

    bool ends_before(WallTime last, const Mark& next);
    Begun look_back(const wire::LogPosition& from, bool is_stderr, std::size_t max_pieces);

    [[nodiscard]] bool all_before_since(LogFile& file) const;
    [[nodiscard]] bool has_enough() const;
    wire::LogPosition tail_position();
    void judge(Side& side, bool headless, std::vector<wire::LogPosition>& ends) const;
    void find_begin();

    bool read_file(LogFile& file);
    void take(wire::LogLine record, const wire::LogPosition& at);
    void take_piece(wire::LogLine record, const wire::LogPosition& at);
    void finish(Stream& stream, bool is_stderr, bool partial);
    void give(wire::LogLine line);
    void give_begun(const wire::LogPosition& at);
    void give_rest();
    void trim();

    const LogQuery& query_;
    LogFiles& files_;
    wire::LogBatch batch_;
    std::size_t bytes_left_ = 0;
    std::size_t scanned_ = 0;
    std::array<Stream, 2> streams_;
    std::optional<std::vector<WallTime>> runs_;
};

// Whether what a stream wrote up to `last` is over when `next` comes, without a newline.
bool Reading::ends_before(WallTime last, const Mark& next) {
    if (next.remark) {
        return true;
    }
    if (!runs_) {
        runs_ = query_.runs ? query_.runs() : std::vector<WallTime>();
    }
    return std::any_of(runs_->begin(), runs_->end(), [last, &next](WallTime run) {
        return last < run && run <= next.time;
    });
}

// What a stream has begun and not finished before a place.
Begun Reading::look_back(const wire::LogPosition& from, bool is_stderr, std::size_t max_pieces) {
    Begun begun;
    std::vector<std::string> pieces;
    std::optional<Mark> next;
    RecordsBack back(files_, from);
    while (pieces.size() < max_pieces && back.next()) {
        if (back.scanned() > kMaxLookBack) {
            begun.headless = begun.any;
            break;
        }
        if (!back.record().substr(0, 37).ends_with(is_stderr ? "stderr" : "stdout")) {
            continue;
        }
        auto record = parse_cri(back.record());
        if (!record) {
            continue;
        }
        if (!record->partial || (next && ends_before(record->time, *next))) {
            break;
        }
        next.emplace(*record);
        begun.first = record->time;
        begun.last = begun.any ? begun.last : record->time;
        begun.any = true;
        pieces.push_back(std::move(record->text));
    }
    for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) {
        begun.text += *piece;
    }
    return begun;
}

// Whether no line of a file can be as late as the query's `since`.
bool Reading::all_before_since(LogFile& file) const {
    return query_.since && file.written_ns() + kTickNs < query_.since->time_since_epoch().count();
}

// Whether the last lines before `until` are all there: what follows in the log is later.
bool Reading::has_enough() const {
    return query_.until && query_.tail &&
           static_cast<std::size_t>(
               std::count_if(batch_.lines.begin(), batch_.lines.end(), [](const auto& line) {
                   return !line.partial;
               })) >= *query_.tail;
}

// The line of a side is there: keeps where it ends if it counts, the last end first.
void Reading::judge(Side& side, bool headless, std::vector<wire::LogPosition>& ends) const {
    if (!std::exchange(side.open, false)) {
        return;
    }
    Begun begun{true, headless, side.line.time, side.line.time, {}};
    for (auto piece = side.pieces.rbegin(); piece != side.pieces.rend(); ++piece) {
        begun.add(*piece);
    }
    side.pieces.clear();
    if (takes_all() || fits(line_of(std::move(begun), side.line.is_stderr, /*partial=*/false))) {
        const auto place =
            std::find_if(ends.rbegin(), ends.rend(), [&side](const wire::LogPosition& end) {
                return end >= side.at;
            });
        ends.insert(place.base(), side.at);
    }
}

// Where the first of the last query.tail lines ends. Goes back through the records, counting the
// lines that count.
wire::LogPosition Reading::tail_position() {
    const std::size_t wanted = *query_.tail;
    LogFile& newest = files_.files.back();
    const wire::LogPosition end{newest.number(), newest.size()};
    if (wanted == 0) {
        return end;
    }
    std::vector<wire::LogPosition> ends;
    std::array<Side, 2> sides;
    const auto found = [&] {
        return ends.size() >= wanted && std::all_of(sides.begin(), sides.end(), [&](const Side& s) {
                   return !s.open || s.at < ends[wanted - 1];
               });
    };
    RecordsBack back(files_, end);
    std::uint64_t file = 0;
    bool old = false;  // what is in this file, and before, is older than `since`
    while (!found() && back.next()) {
        if (std::exchange(file, back.position().file) != back.position().file) {
            old = all_before_since(back.file());
        }
        if (old && !sides[0].open && !sides[1].open) {
            break;
        }
        for (Side& side : sides) {
            if (side.open && back.scanned() - side.scanned > kMaxLookBack) {
                judge(side, side.line.partial, ends);
            }
        }
        auto record = parse_cri(back.record());
        if (!record || !wants(record->is_stderr)) {
            continue;
        }
        Side& side = sides.at(record->is_stderr ? 1 : 0);
        const Mark mark(*record);
        const bool broken = record->partial && side.next && ends_before(record->time, *side.next);
        if (!record->partial || broken) {
            judge(side, /*headless=*/false, ends);
            side.at = broken ? side.next_at : back.position();
            side.scanned = back.scanned();
            side.open = !query_.since || record->time >= *query_.since;
        }
        side.next = mark;
        side.next_at = back.position();
        if (side.open) {
            side.pieces.push_back(query_.matches ? std::move(record->text) : std::string());
            record->text.clear();
            side.line = std::move(*record);
            if (takes_all()) {
                judge(side, /*headless=*/false, ends);
            }
        }
    }
    for (Side& side : sides) {
        judge(side, /*headless=*/false, ends);
    }
    return ends.empty() ? end : ends[std::min(wanted, ends.size()) - 1];
}

// Where to begin, in a file that is there.
void Reading::find_begin() {
    batch_.next = query_.from.value_or(wire::LogPosition{});
    if (is_tail()) {
        batch_.next = tail_position();
    }
    const std::uint64_t oldest = files_.files.front().number();
    if (batch_.next.file < oldest) {
        batch_.skipped_bytes =
            query_.from && batch_.next.file != 0 ? 1 : 0;  // how much is not known any more
        batch_.next = {oldest, 0};
    }
    LogFile* const present = files_.find(batch_.next.file);
    if (batch_.next.file > files_.files.back().number() ||
        (present != nullptr && present->readable() && batch_.next.offset > present->size())) {
        batch_.next = {oldest, 0};  // the log was cleaned and began anew
    }
}

void Reading::give(wire::LogLine line) {
    if (fits(line)) {
        bytes_left_ -= std::min(bytes_left_, line.text.size() + 32);
        batch_.lines.push_back(std::move(line));
    }
}

void Reading::take_piece(wire::LogLine record, const wire::LogPosition& at) {
    Stream& stream = streams_.at(record.is_stderr ? 1 : 0);
    const Mark mark(record);
    if (!std::exchange(stream.seen, true) && (query_.runs || mark.remark)) {
        stream.begun = look_back(at, record.is_stderr, 1);
    }
    if (stream.begun.any && ends_before(stream.begun.last, mark)) {
        give({stream.begun.last, record.is_stderr, false, {}});
    }
    stream.begun.any = record.partial;
    stream.begun.last = record.time;
    give(std::move(record));
}

void Reading::take(wire::LogLine record, const wire::LogPosition& at) {
    if (!wants(record.is_stderr)) {
        return;
    }
    if (query_.form == LogForm::Pieces) {
        return take_piece(std::move(record), at);
    }
    const bool is_stderr = record.is_stderr;
    Stream& stream = streams_.at(is_stderr ? 1 : 0);
    stream.seen = true;
    Begun& begun = stream.begun;
    const bool whole = !record.partial;
    if (whole && stream.known && !begun.any && record.text.size() <= kMaxLine) {
        return give(std::move(record));
    }
    const Mark mark(record);
    if (begun.any && ends_before(begun.last, mark)) {
        finish(stream, is_stderr, /*partial=*/false);
    }
    if (!begun.any) {
        begun = {true, false, record.time, record.time, {}};
        stream.at = at;
        stream.first = mark;
    }
    begun.last = record.time;
    begun.add(record.text);
    if (whole) {
        finish(stream, is_stderr, /*partial=*/false);
    }
}

// Gives what was begun, with what was written of it before the reading began.
void Reading::finish(Stream& stream, bool is_stderr, bool partial) {
    Begun begun = std::exchange(stream.begun, {});
    if (!std::exchange(stream.known, true)) {
        Begun before = look_back(stream.at, is_stderr, SIZE_MAX);
        if (before.any && ends_before(before.last, *stream.first)) {
            give(line_of(std::move(before), is_stderr, /*partial=*/false));
        } else if (before.any) {
            before.add(begun.text);
            before.last = begun.last;
            begun = std::move(before);
        }
    }
    give(line_of(std::move(begun), is_stderr, partial));
}

// For one who wants pieces, from a tail on: what comes before the first of them.
void Reading::give_begun(const wire::LogPosition& at) {
    for (const bool is_stderr : {false, true}) {
        if (wants(is_stderr)) {
            Stream& stream = streams_.at(is_stderr ? 1 : 0);
            stream.seen = true;
            stream.begun = look_back(at, is_stderr, SIZE_MAX);
            if (stream.begun.any) {
                give({stream.begun.first, is_stderr, true, std::move(stream.begun.text)});
            }
        }
    }
}

// What is not finished at the end of the log.
void Reading::give_rest() {
    for (const bool is_stderr : {false, true}) {
        Stream& stream = streams_.at(is_stderr ? 1 : 0);
        if (!wants(is_stderr)) {
            continue;
        }
        if (stream.begun.any) {
            finish(stream, is_stderr, /*partial=*/true);
        } else if (!stream.seen && !query_.rest_of_new) {
            if (Begun begun = look_back(batch_.next, is_stderr, SIZE_MAX); begun.any) {
                give(line_of(std::move(begun), is_stderr, /*partial=*/true));
            }
        }
    }
}

// A line that a run left unfinished ends where another one may end too: then it was one too many.
void Reading::trim() {
    if (!is_tail() || *query_.tail == 0 || query_.form == LogForm::Pieces) {
        return;
    }
    std::vector<wire::LogLine>& lines = batch_.lines;
    const auto whole = static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(), [](const wire::LogLine& line) { return !line.partial; }));
    if (whole > *query_.tail) {
        lines.erase(lines.begin(),
                    lines.begin() + static_cast<std::ptrdiff_t>(whole - *query_.tail));
    }
}

// Reads on in one file from batch_.next. False: the batch is full.
bool Reading::read_file(LogFile& file) {
    std::string pending;
    std::uint64_t read_to = batch_.next.offset;
    for (;;) {
        const std::string block =
            file.read(read_to, kBlock - static_cast<std::size_t>(read_to % kBlock));
        if (block.empty()) {
            return true;
        }
        read_to += block.size();
        pending += block;
        std::size_t begin = 0;
        for (std::size_t newline = pending.find('\n'); newline != std::string::npos;
             newline = pending.find('\n', begin)) {
            if (has_enough()) {
                return false;
            }
            if (batch_.lines.size() >= query_.max_lines || bytes_left_ == 0 ||
                scanned_ >= query_.max_scan) {
                batch_.truncated = true;
                return false;
            }
            auto record = parse_cri(std::string_view(pending).substr(begin, newline - begin));
            const std::size_t length = newline + 1 - begin;
            const wire::LogPosition at = batch_.next;
            batch_.next.offset += length;
            scanned_ += length;
            begin = newline + 1;
            if (record) {
                take(std::move(*record), at);
            }
        }
        pending.erase(0, begin);
    }
}

wire::LogBatch Reading::read() {
    find_begin();
    bytes_left_ = query_.max_bytes;
    if (batch_.next == wire::LogPosition{files_.files.front().number(), 0}) {
        streams_[0].known = streams_[1].known = true;  // nothing comes before
    }
    if (query_.form == LogForm::Pieces && is_tail()) {
        give_begun(batch_.next);
    }
    for (LogFile& file : files_.files) {
        if (file.number() < batch_.next.file) {
            continue;
        }
        if (file.number() > batch_.next.file) {
            batch_.next = {file.number(), 0};
        }
        const bool last = &file == &files_.files.back();
        if (!last && all_before_since(file)) {
            streams_ = {};
            continue;  // older than that, all of it
        }
        if (!file.readable()) {
            batch_.skipped_bytes = 1;  // deleted since it was listed
            streams_ = {};
            continue;
        }
        if (!read_file(file)) {
            break;
        }
    }
    if (query_.form == LogForm::AndRest && !batch_.truncated) {
        give_rest();
    }
    if (!batch_.truncated) {
        trim();
    }
    return std::move(batch_);
}

}  // namespace

Result<wire::LogBatch> LogReader::read(const LogQuery& query) const {
    LogFiles files = list();
    if (files.files.empty()) {
        wire::LogBatch batch;
        batch.next = {1, 0};
        return batch;
    }
    return Reading(query, files).read();
}

}  // namespace berth::logs
