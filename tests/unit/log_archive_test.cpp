#include "agent/logs/log_archive.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/keeper/log_writer.h"
#include "agent/keeperlink/log_files.h"
#include "agent/logs/gzip_blocks.h"
#include "agent/logs/log_reader.h"
#include "shared/os/file.h"
#include "tests/unit/temp_folder.h"

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::logs;  // NOLINT(google-build-using-namespace)
using berth::test::TempFolder;
using keeper::LogWriter;
using keeper::Stream;

namespace {

namespace fs = std::filesystem;

const std::atomic<bool> kGoOn = false;

WallTime second(int n) {
    return WallTime(std::chrono::seconds(1'700'000'000 + n));
}

// Lines 0 … count-1, in files of `max_size`.
void write_log(const std::string& folder, int count, std::uint64_t max_size) {
    auto writer = LogWriter::open({folder, max_size, 1000});
    REQUIRE(writer);
    for (int i = 0; i < count; ++i) {
        writer->append(Stream::Stdout, "line " + std::to_string(i) + " \xFF\n", second(i));
    }
}

std::vector<std::string> texts(const wire::LogBatch& batch) {
    std::vector<std::string> result;
    for (const wire::LogLine& line : batch.lines) {
        result.push_back(line.text);
    }
    return result;
}

// Every line from `from` on, in batches of `max_lines`.
std::vector<std::string> read_all(const std::string& folder,
                                  std::size_t max_lines,
                                  wire::LogPosition from = {1, 0}) {
    std::vector<std::string> all;
    LogQuery query;
    query.from = from;
    query.max_lines = max_lines;
    for (;;) {
        const auto batch = LogReader(folder).read(query).value();
        for (std::string& text : texts(batch)) {
            all.push_back(std::move(text));
        }
        query.from = batch.next;
        if (!batch.truncated) {
            return all;
        }
    }
}

std::vector<std::string> names_in(const std::string& folder) {
    return os::list_folder(folder).value();
}

}  // namespace

TEST_CASE("a compressed log is read like the plain one, from every place") {
    const TempFolder folder;
    write_log(folder.path(), 30'000, 600'000);
    const auto before = read_all(folder.path(), 10'000);
    REQUIRE(before.size() == 30'000);
    LogQuery query;
    query.max_lines = 777;
    query.from = wire::LogPosition{1, 0};
    std::vector<wire::LogPosition> places;
    for (int i = 0; i < 30; ++i) {
        query.from = LogReader(folder.path()).read(query).value().next;
        places.push_back(*query.from);
    }
    const auto end = LogReader(folder.path()).end();

    REQUIRE(compress_rotated(folder.path(), kGoOn));
    const auto names = names_in(folder.path());
    REQUIRE(names.size() == 3);
    CHECK(names == std::vector<std::string>{"00000001.log.gz", "00000002.log", "current"});
    CHECK(LogReader(folder.path()).end() == end);
    CHECK(read_all(folder.path(), 1000) == before);
    for (std::size_t i = 0; i < places.size(); ++i) {
        const std::size_t skip = 777 * (i + 1);
        const auto rest = read_all(folder.path(), 10'000, places[i]);
        REQUIRE(rest.size() == before.size() - skip);
        CHECK(rest.front() == before[skip]);
    }
    CHECK(LogReader(folder.path()).files().front() == folder / "00000001.log.gz");
}

TEST_CASE("tail, since and patterns go back into compressed files") {
    const TempFolder folder;
    write_log(folder.path(), 20'000, 200'000);
    REQUIRE(compress_rotated(folder.path(), kGoOn));
    LogQuery query;
    query.tail = 15'000;
    query.max_lines = 20'000;
    query.max_bytes = 64U << 20U;
    auto lines = texts(LogReader(folder.path()).read(query).value());
    REQUIRE(lines.size() == 15'000);
    CHECK(lines.front() == "line 5000 \xFF");
    query.tail.reset();
    query.since = second(777);
    lines = texts(LogReader(folder.path()).read(query).value());
    REQUIRE(lines.size() == 19'223);
    CHECK(lines.front() == "line 777 \xFF");
    query.since.reset();
    query.matches = [](std::string_view text) { return text.substr(0, 8) == "line 12 "; };
    CHECK(texts(LogReader(folder.path()).read(query).value()).size() == 1);
    query.tail = 3;
    CHECK(texts(LogReader(folder.path()).read(query).value()).size() == 1);
}

TEST_CASE("a line in pieces goes on from a compressed file") {
    const TempFolder folder;
    folder.write("00000001.log", rfc3339_utc(second(1)) + " stdout P be\n");
    folder.write("00000002.log", rfc3339_utc(second(2)) + " stderr F other\n");
    folder.write("current", rfc3339_utc(second(3)) + " stdout F gun\n");
    REQUIRE(compress_rotated(folder.path(), kGoOn));
    REQUIRE(names_in(folder.path()).front() == "00000001.log.gz");
    CHECK(read_all(folder.path(), 1) == std::vector<std::string>{"other", "begun"});
    CHECK(read_all(folder.path(), 1, {3, 0}) == std::vector<std::string>{"begun"});
    LogQuery query;
    query.tail = 1;
    CHECK(texts(LogReader(folder.path()).read(query).value()) == std::vector<std::string>{"begun"});
}

TEST_CASE("a search that finds nothing pauses after a bounded piece of the log") {
    const TempFolder folder;
    write_log(folder.path(), 5000, 1U << 20U);
    LogQuery query;
    query.matches = [](std::string_view) { return false; };
    query.max_scan = 50'000;
    int batches = 1;
    for (auto batch = LogReader(folder.path()).read(query).value(); batch.truncated; ++batches) {
        query.from = batch.next;
        batch = LogReader(folder.path()).read(query).value();
        CHECK(batch.lines.empty());
    }
    CHECK(batches > 4);
    CHECK(query.from->offset < LogReader(folder.path()).end().offset);
}

TEST_CASE("what a killed agent left half done is neither lost nor doubled") {
    const TempFolder folder;
    write_log(folder.path(), 3000, 50'000);
    const auto before = read_all(folder.path(), 10'000);
    // Killed between the name of the compressed file and the end of the plain one.
    fs::copy_file(folder / "00000001.log", folder / "kept");
    REQUIRE(compress_rotated(folder.path(), kGoOn));
    fs::rename(folder / "kept", folder / "00000001.log");
    CHECK(read_all(folder.path(), 10'000) == before);
    // Killed while it wrote.
    folder.write("00000002.log.gz.tmp", "half");
    CHECK(read_all(folder.path(), 10'000) == before);
    REQUIRE(compress_rotated(folder.path(), kGoOn));
    CHECK_FALSE(fs::exists(folder / "00000001.log"));
    CHECK_FALSE(fs::exists(folder / "00000002.log.gz.tmp"));
    CHECK(read_all(folder.path(), 10'000) == before);
    // Told to end: everything stays as it is.
    const TempFolder other;
    write_log(other.path(), 3000, 50'000);
    const auto names = names_in(other.path());
    const std::atomic<bool> cancelled = true;
    REQUIRE(compress_rotated(other.path(), cancelled));
    CHECK(names_in(other.path()) == names);
}

TEST_CASE("a follower goes on over files that are compressed meanwhile") {
    const TempFolder folder;
    auto writer = LogWriter::open({folder.path(), 5000, 1000});
    REQUIRE(writer);
    LogQuery query;
    query.from = wire::LogPosition{1, 0};
    query.max_lines = 5;
    std::size_t seen = 0;
    const auto follow = [&] {
        const auto batch = LogReader(folder.path()).read(query).value();
        for (const std::string& text : texts(batch)) {
            REQUIRE(text == std::to_string(seen));
            ++seen;
        }
        query.from = batch.next;
        CHECK(batch.skipped_bytes == 0);
        return batch.truncated;
    };
    for (int i = 0; i < 2000; ++i) {
        writer->append(Stream::Stderr, std::to_string(i) + "\n", second(i));
        if (i % 11 == 0) {
            (void)follow();
        }
        if (i % 300 == 0) {
            REQUIRE(compress_rotated(folder.path(), kGoOn));
        }
    }
    while (follow()) {
    }
    CHECK(seen == 2000);
}

TEST_CASE("compressed files count as rotated ones for the writer") {
    const TempFolder folder;
    write_log(folder.path(), 1000, 10'000);
    REQUIRE(compress_rotated(folder.path(), kGoOn));
    const auto before = keeperlink::rotated_logs(folder.path());
    auto writer = LogWriter::open({folder.path(), 10'000, 2});
    REQUIRE(writer);
    writer->append(Stream::Stdout, std::string(9900, 'x') + "\n", second(0));
    const auto after = keeperlink::rotated_logs(folder.path());
    REQUIRE(after.size() == 2);
    CHECK(after.back().number == before.back().number + 1);
    CHECK(writer->take_rotated());
    CHECK_FALSE(writer->take_rotated());
}

TEST_CASE("the writer keeps a log within its total, whatever `keep` says") {
    const TempFolder folder;
    auto writer = LogWriter::open({folder.path(), 10'000, 1000, 45'000});
    REQUIRE(writer);
    std::uint64_t most = 0;
    for (int i = 0; i < 3000; ++i) {
        writer->append(Stream::Stdout, std::string(60, 'x') + "\n", second(i));
        std::uint64_t total = 0;
        for (const auto& entry : fs::directory_iterator(folder.path())) {
            total += entry.file_size();
        }
        most = std::max(most, total);
    }
    CHECK(most <= 45'000);
    CHECK(most > 35'000);
}

TEST_CASE("one read is cut into blocks that fit the files") {
    const TempFolder folder;
    auto writer = LogWriter::open({folder.path(), 5000, 1000});
    REQUIRE(writer);
    std::string lines;
    for (int i = 0; i < 2000; ++i) {
        lines += std::to_string(i) + "\n";
    }
    writer->append(Stream::Stdout, lines + "rest\n", second(0));
    for (const auto& entry : fs::directory_iterator(folder.path())) {
        CHECK(entry.file_size() <= 5000);
    }
    const auto all = read_all(folder.path(), 10'000);
    REQUIRE(all.size() == 2001);
    CHECK(all[1999] == "1999");
    CHECK(all[2000] == "rest");
}

TEST_CASE("the oldest file of the largest log goes first, and what is written to stays") {
    const TempFolder folder;
    for (const char* app : {"large", "small", "plain"}) {
        fs::create_directories(folder / app);
    }
    for (int i = 1; i <= 5; ++i) {
        folder.write("large/" + keeperlink::rotated_name(i), std::string(1000, 'x'));
    }
    folder.write("large/current", std::string(500, 'x'));
    folder.write("small/" + keeperlink::rotated_name(1), std::string(1000, 'x'));
    folder.write("plain/current", std::string(4000, 'x'));
    CHECK(trim_logs(folder.path(), 10'500).files == 0);
    Trimmed trimmed = trim_logs(folder.path(), 8000);
    CHECK(trimmed.files == 3);
    CHECK(trimmed.bytes == 3000);
    CHECK(names_in(folder / "large") ==
          std::vector<std::string>{"00000004.log", "00000005.log", "current"});
    CHECK(names_in(folder / "small").size() == 1);
    trimmed = trim_logs(folder.path(), 1000);
    CHECK(trimmed.files == 3);
    CHECK(fs::exists(folder / "plain/current"));
    CHECK(fs::exists(folder / "large/current"));
}

TEST_CASE("what does not fit on the disk is counted, the rest stays whole, and it goes on") {
    const TempFolder folder;
    auto writer = LogWriter::open({folder.path(), 1U << 20U, 3});
    REQUIRE(writer);
    writer->append(Stream::Stdout, "first\n", second(0));

    // A limit on the size of files cuts a write in the middle, as a full disk does.
    struct rlimit original {};

    REQUIRE(::getrlimit(RLIMIT_FSIZE, &original) == 0);
    struct rlimit small = original;
    small.rlim_cur = 200;  // 47 + 3 lines of 50 + 3 bytes
    const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    writer->append(Stream::Stdout, "123456789\n123456789\n123456789\nlost\nlos", second(1));
    const auto at_once = LogReader(folder.path()).end();
    writer->append(Stream::Stderr, "lost too\n", second(2));
    const keeper::LogLoss loss = writer->loss();
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &original) == 0);
    (void)::signal(SIGXFSZ, old_handler);

    CHECK(loss.lines == 2);
    CHECK(loss.bytes == 5 + 3 + 9);
    CHECK(LogReader(folder.path()).end() == at_once);
    CHECK(at_once.offset == 46 + 3 * 50);
    // The next writer of this log tells it too.
    auto next = LogWriter::open({folder.path(), 1U << 20U, 3});
    next->inherit_loss(loss);
    next->append(Stream::Stdout, "there is room\n", second(3));
    CHECK(next->loss().bytes == 0);
    CHECK(read_all(folder.path(), 100) ==
          std::vector<std::string>{"first",
                                   "123456789",
                                   "123456789",
                                   "123456789",
                                   "[berth] 2 lines (17 bytes) were lost here: File too large",
                                   "there is room"});
}

TEST_CASE("a damaged compressed file is refused, not believed") {
    const TempFolder folder;
    const std::string member = compress_block("some text\n").value();
    for (const std::string& bytes : {std::string("rubbish that is no gzip file at all"),
                                     member.substr(0, member.size() - 1),
                                     member + "x"}) {
        folder.write("00000001.log.gz", bytes);
        CHECK(LogReader(folder.path()).read({}).value().lines.empty());
        CHECK(LogReader(folder.path()).files().empty());
    }
}
