#include "agent/logs/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "agent/logs/log_file.h"
#include "shared/keeperlink/log_files.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::logs {

namespace {

constexpr std::size_t kBlock = 64U << 10U;

// The kernel stamps files with the time of its last tick, a hundredth of a second ago at most: a
// file that was just written to may look that much older than its last line.
constexpr std::int64_t kTickNs = 20'000'000;

static_assert(kBlockBytes % kBlock == 0, "a block of ours lies in one of a compressed file");

// "2026-11-22T10:00:00.123456789Z", always of this shape: we write it.
std::optional<WallTime> parse_time(std::string_view text) {
    if (text.size() != 30 || text[10] != 'T' || text[29] != 'Z') {
        return std::nullopt;
    }
    const auto number = [&text](std::size_t at, std::size_t size) {
        std::int64_t value = -1;
        (void)std::from_chars(text.data() + at, text.data() + at + size, value);
        return value;
    };
    std::tm parts{};
    parts.tm_year = static_cast<int>(number(0, 4)) - 1900;
    parts.tm_mon = static_cast<int>(number(5, 2)) - 1;
    parts.tm_mday = static_cast<int>(number(8, 2));
    parts.tm_hour = static_cast<int>(number(11, 2));
    parts.tm_min = static_cast<int>(number(14, 2));
    parts.tm_sec = static_cast<int>(number(17, 2));
    const std::int64_t nanoseconds = number(20, 9);
    if (parts.tm_year < 0 || parts.tm_mon < 0 || nanoseconds < 0) {
        return std::nullopt;
    }
    return WallTime(std::chrono::seconds(::timegm(&parts)) + Duration(nanoseconds));
}

}  // namespace

std::optional<wire::LogLine> parse_cri(std::string_view line) {
    // time, blank, stream of six letters, blank, F or P, blank, text
    if (line.size() < 40 || line[30] != ' ' || line[37] != ' ' || line[39] != ' ') {
        return std::nullopt;
    }
    const auto time = parse_time(line.substr(0, 30));
    const std::string_view stream = line.substr(31, 6);
    const char tag = line[38];
    if (!time || (stream != "stdout" && stream != "stderr") || (tag != 'F' && tag != 'P')) {
        return std::nullopt;
    }
    return wire::LogLine{*time, stream == "stderr", tag == 'P', std::string(line.substr(40))};
}

// The log's files by number; the last one is `current`.
struct LogReader::Files {
    std::vector<LogFile> files;

    LogFile* find(std::uint64_t number) {
        for (LogFile& file : files) {
            if (file.number() == number) {
                return &file;
            }
        }
        return nullptr;
    }
};

LogReader::Files LogReader::list() const {
    // `current` is opened before the folder is listed: if a rotation comes in between, its name
    // shows up in the list as a number that is as high as the one we would give it, and we look
    // again.
    for (int attempt = 0;; ++attempt) {
        Files result;
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
    Files files = list();
    for (LogFile& file : files.files) {
        if (std::string path = file.path(); !path.empty()) {
            paths.push_back(std::move(path));
        }
    }
    return paths;
}

wire::LogPosition LogReader::end() const {
    Files files = list();
    if (files.files.empty()) {
        return {1, 0};
    }
    return {files.files.back().number(), files.files.back().size()};
}

namespace {

bool fits(const LogQuery& query, const wire::LogLine& line) {
    return (!query.since || line.time >= *query.since) &&
           (!query.until || line.time < *query.until) &&
           (query.stream.empty() || (query.stream == "stderr") == line.is_stderr) &&
           (!query.matches || query.matches(line.text));
}

// Whether no line of a file can be as late as the query's `since`.
bool all_before_since(LogFile& file, const LogQuery& query) {
    return query.since && file.written_ns() + kTickNs < query.since->time_since_epoch().count();
}

// Whether the last lines before `until` are all there: what follows in the log is later.
bool has_enough(const LogQuery& query, const wire::LogBatch& batch) {
    return query.until && query.tail &&
           static_cast<std::size_t>(
               std::count_if(batch.lines.begin(), batch.lines.end(), [](const auto& line) {
                   return !line.partial;
               })) >= *query.tail;
}

// Goes back through the end of a file, which `tail` holds from `at` on. True: `wanted` lines were
// found, and `position` is where the first of them begins.
bool count_back(std::string& tail,
                std::uint64_t at,
                const LogQuery& query,
                std::size_t& wanted,
                wire::LogPosition& position) {
    // Every line of `tail` but the first is whole; the first is, when the file begins here.
    std::size_t line_end = tail.size();
    while (line_end > 0) {
        const std::size_t newline =
            line_end >= 2 ? tail.rfind('\n', line_end - 2) : std::string::npos;
        if (newline == std::string::npos && at > 0) {
            break;
        }
        const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
        const auto line = parse_cri(std::string_view(tail).substr(begin, line_end - begin - 1));
        if (line && !line->partial && fits(query, *line) && wanted-- == 0) {
            return true;
        }
        position.offset = at + begin;
        line_end = begin;
    }
    tail.resize(line_end);
    return false;
}

}  // namespace

// Where the last query.tail whole lines begin: reads blocks backwards, counting those that count.
wire::LogPosition LogReader::tail_position(Files& files, const LogQuery& query) {
    std::size_t wanted = *query.tail;
    wire::LogPosition position{files.files.back().number(), files.files.back().size()};
    if (wanted == 0) {
        return position;
    }
    for (auto file = files.files.rbegin(); file != files.files.rend(); ++file) {
        if (all_before_since(*file, query)) {
            return position;  // what is in there, and before, is older
        }
        std::string tail;  // from `at` on
        wire::LogPosition here{file->number(), file->size()};
        for (std::uint64_t at = here.offset; at > 0;) {
            // Blocks as a compressed file has them, so that each is unpacked once.
            const std::uint64_t begin = (at - 1) / kBlock * kBlock;
            const std::string block = file->read(begin, static_cast<std::size_t>(at - begin));
            if (block.size() != at - begin) {
                return position;
            }
            at = begin;
            tail.insert(0, block);
            if (count_back(tail, at, query, wanted, here)) {
                return here.offset < file->size() ? here : position;
            }
        }
        position = here;
    }
    return position;
}

// Where to begin, in a file that is there.
void LogReader::find_begin(Files& files, const LogQuery& query, wire::LogBatch& batch) {
    batch.next = query.from.value_or(wire::LogPosition{});
    if (query.tail && !query.from) {
        batch.next = tail_position(files, query);
    }
    const std::uint64_t oldest = files.files.front().number();
    if (batch.next.file < oldest) {
        batch.skipped_bytes =
            query.from && batch.next.file != 0 ? 1 : 0;  // how much is not known any more
        batch.next = {oldest, 0};
    }
    LogFile* const present = files.find(batch.next.file);
    if (batch.next.file > files.files.back().number() ||
        (present != nullptr && present->readable() && batch.next.offset > present->size())) {
        batch.next = {oldest, 0};  // the log was cleaned and began anew
    }
}

// Reads on in one file from batch.next. False: the batch is full.
bool LogReader::read_file(LogFile& file,
                          const LogQuery& query,
                          wire::LogBatch& batch,
                          Budget& budget) {
    std::string pending;
    std::uint64_t read_to = batch.next.offset;
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
            if (has_enough(query, batch)) {
                return false;
            }
            if (batch.lines.size() >= query.max_lines || budget.bytes == 0 ||
                budget.scanned >= query.max_scan) {
                batch.truncated = true;
                return false;
            }
            auto line = parse_cri(std::string_view(pending).substr(begin, newline - begin));
            const std::size_t length = newline + 1 - begin;
            batch.next.offset += length;
            budget.scanned += length;
            begin = newline + 1;
            if (line && fits(query, *line)) {
                budget.bytes -= std::min(budget.bytes, line->text.size() + 32);
                batch.lines.push_back(std::move(*line));
            }
        }
        pending.erase(0, begin);
    }
}

Result<wire::LogBatch> LogReader::read(const LogQuery& query) const {
    Files files = list();
    wire::LogBatch batch;
    if (files.files.empty()) {
        batch.next = {1, 0};
        return batch;
    }
    find_begin(files, query, batch);
    Budget budget{query.max_bytes, 0};
    for (LogFile& file : files.files) {
        if (file.number() < batch.next.file) {
            continue;
        }
        if (file.number() > batch.next.file) {
            batch.next = {file.number(), 0};
        }
        const bool last = &file == &files.files.back();
        if (!last && all_before_since(file, query)) {
            continue;  // older than that, all of it
        }
        if (!file.readable()) {
            batch.skipped_bytes = 1;  // deleted since it was listed
            continue;
        }
        if (!read_file(file, query, batch, budget)) {
            return batch;
        }
    }
    return batch;
}

}  // namespace berth::logs
