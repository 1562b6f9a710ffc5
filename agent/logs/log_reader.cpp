#include "agent/logs/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"

namespace berth::logs {

namespace {

constexpr std::size_t kBlock = 64U << 10U;

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

std::uint64_t file_number(const std::string& name) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    return error == std::errc() && std::string_view(end) == ".log" ? number : 0;
}

std::uint64_t size_of(int fd) {
    struct stat info {};

    return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
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
    struct File {
        std::uint64_t number = 0;
        os::UniqueFd fd;
        std::string path;
    };

    std::vector<File> files;

    [[nodiscard]] const File* find(std::uint64_t number) const {
        for (const File& file : files) {
            if (file.number == number) {
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
        const std::uint64_t inode = [&] {
            struct stat info {};
            return current && ::fstat(current->get(), &info) == 0 ? info.st_ino : 0;
        }();
        std::uint64_t highest = 0;
        bool rotated = false;
        const auto names = os::list_folder(folder_);
        for (const std::string& name : names ? *names : std::vector<std::string>()) {
            const std::uint64_t number = file_number(name);
            auto fd = number == 0 ? Result<os::UniqueFd>(fail(ErrorCode::NotFound, ""))
                                  : os::open_file(folder_ + "/" + name, O_RDONLY);
            if (!fd) {
                continue;  // deleted meanwhile
            }

            struct stat info {};

            rotated = rotated || (::fstat(fd->get(), &info) == 0 && info.st_ino == inode);
            highest = std::max(highest, number);
            result.files.push_back({number, std::move(*fd), folder_ + "/" + name});
        }
        if (rotated && attempt < 3) {
            continue;
        }
        if (current && !rotated) {
            result.files.push_back({highest + 1, std::move(*current), folder_ + "/current"});
        }
        std::sort(result.files.begin(),
                  result.files.end(),
                  [](const Files::File& a, const Files::File& b) { return a.number < b.number; });
        return result;
    }
}

std::vector<std::string> LogReader::files() const {
    std::vector<std::string> paths;
    for (const Files::File& file : list().files) {
        paths.push_back(file.path);
    }
    return paths;
}

wire::LogPosition LogReader::end() const {
    const Files files = list();
    if (files.files.empty()) {
        return {1, 0};
    }
    return {files.files.back().number, size_of(files.files.back().fd.get())};
}

// Where the last query.tail whole lines begin: reads blocks backwards, counting those that count.
wire::LogPosition LogReader::tail_position(const Files& files, const LogQuery& query) const {
    std::size_t wanted = *query.tail;
    wire::LogPosition position{files.files.back().number, size_of(files.files.back().fd.get())};
    if (wanted == 0) {
        return position;
    }
    for (auto file = files.files.rbegin(); file != files.files.rend(); ++file) {
        std::string tail;  // from `at` on
        std::uint64_t at = size_of(file->fd.get());
        while (at > 0) {
            const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, at));
            std::string block(size, '\0');
            if (::pread(file->fd.get(), block.data(), size, static_cast<off_t>(at - size)) !=
                static_cast<ssize_t>(size)) {
                return position;
            }
            at -= size;
            tail.insert(0, block);
            // Every line of `tail` but the first is whole; the first is, when the file begins here.
            std::size_t line_end = tail.size();
            while (line_end > 0) {
                const std::size_t newline =
                    line_end >= 2 ? tail.rfind('\n', line_end - 2) : std::string::npos;
                if (newline == std::string::npos && at > 0) {
                    break;
                }
                const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
                const auto line =
                    parse_cri(std::string_view(tail).substr(begin, line_end - begin - 1));
                const bool counts =
                    line && !line->partial &&
                    (query.stream.empty() || (query.stream == "stderr") == line->is_stderr) &&
                    (!query.matches || query.matches(line->text));
                if (counts && wanted-- == 0) {
                    return position;
                }
                position = {file->number, at + begin};
                line_end = begin;
            }
            tail.resize(line_end);
        }
    }
    return position;
}

Result<wire::LogBatch> LogReader::read(const LogQuery& query) const {
    const Files files = list();
    wire::LogBatch batch;
    batch.next = query.from.value_or(wire::LogPosition{});
    if (files.files.empty()) {
        batch.next = {1, 0};
        return batch;
    }
    if (query.tail && !query.from) {
        batch.next = tail_position(files, query);
    }
    const std::uint64_t oldest = files.files.front().number;
    if (batch.next.file < oldest) {
        batch.skipped_bytes =
            query.from && batch.next.file != 0 ? 1 : 0;  // how much is not known any more
        batch.next = {oldest, 0};
    }
    const Files::File* const present = files.find(batch.next.file);
    if (batch.next.file > files.files.back().number ||
        (present != nullptr && batch.next.offset > size_of(present->fd.get()))) {
        batch.next = {oldest, 0};  // the log was cleaned and began anew
    }
    std::size_t bytes = 0;
    for (const Files::File& file : files.files) {
        if (file.number < batch.next.file) {
            continue;
        }
        if (file.number > batch.next.file) {
            batch.next = {file.number, 0};
        }
        std::string pending;
        std::uint64_t read_to = batch.next.offset;
        for (;;) {
            std::string block(kBlock, '\0');
            const ssize_t got =
                ::pread(file.fd.get(), block.data(), block.size(), static_cast<off_t>(read_to));
            if (got <= 0) {
                break;
            }
            read_to += static_cast<std::uint64_t>(got);
            pending.append(block.data(), static_cast<std::size_t>(got));
            std::size_t begin = 0;
            for (std::size_t newline = pending.find('\n'); newline != std::string::npos;
                 newline = pending.find('\n', begin)) {
                if (batch.lines.size() >= query.max_lines || bytes >= query.max_bytes) {
                    batch.truncated = true;
                    return batch;
                }
                auto line = parse_cri(std::string_view(pending).substr(begin, newline - begin));
                batch.next.offset += newline + 1 - begin;
                begin = newline + 1;
                if (!line || (query.since && line->time < *query.since) ||
                    (!query.stream.empty() && (query.stream == "stderr") != line->is_stderr) ||
                    (query.matches && !query.matches(line->text))) {
                    continue;
                }
                bytes += line->text.size() + 32;
                batch.lines.push_back(std::move(*line));
            }
            pending.erase(0, begin);
        }
    }
    return batch;
}

}  // namespace berth::logs
