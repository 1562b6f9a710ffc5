#include "agent/logs/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/keeper/log_writer.h"
#include "tests/unit/temp_folder.h"

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::logs;  // NOLINT(google-build-using-namespace)
using berth::test::TempFolder;
using keeper::LogWriter;
using keeper::Stream;

namespace {

WallTime second(int n) {
    return WallTime(std::chrono::seconds(1'700'000'000 + n));
}

std::string cri(int n, const std::string& text, const std::string& kind = "stdout F") {
    return rfc3339_utc(second(n)) + " " + kind + " " + text + "\n";
}

std::vector<std::string> texts(const wire::LogBatch& batch) {
    std::vector<std::string> result;
    for (const wire::LogLine& line : batch.lines) {
        result.push_back(line.text);
    }
    return result;
}

using Texts = std::vector<std::string>;

// Everything, read in batches of `max_lines` from `from` on.
Texts follow(const LogReader& reader, wire::LogPosition& from, std::size_t max_lines) {
    Texts all;
    for (;;) {
        LogQuery query;
        query.from = from;
        query.max_lines = max_lines;
        const auto batch = reader.read(query).value();
        const Texts part = texts(batch);
        all.insert(all.end(), part.begin(), part.end());
        from = batch.next;
        if (!batch.truncated) {
            return all;
        }
    }
}

}  // namespace

TEST_CASE("CRI lines are read, everything else is none") {
    const std::string time = "2026-11-22T10:00:00.123456789Z";
    const auto line = parse_cri(time + " stderr P a b");
    REQUIRE(line);
    CHECK(rfc3339_utc(line->time) == time);
    CHECK(line->is_stderr);
    CHECK(line->partial);
    CHECK(line->text == "a b");
    CHECK(parse_cri(time + " stdout F ")->text.empty());
    CHECK(parse_cri(time + " stdout F \xFF\x01")->text == "\xFF\x01");
    const std::vector<std::string> none = {"",
                                           "text",
                                           time,
                                           time + " stdout F",
                                           time + " stdout X a",
                                           time + " stdin  F a",
                                           time + "  stdout F a",
                                           "2026-11-22T10:00:00Z stdout F a and some more text",
                                           "2026-xx-22T10:00:00.123456789Z stdout F a"};
    for (const std::string& text : none) {
        INFO(text);
        CHECK_FALSE(parse_cri(text));
    }
}

TEST_CASE("an app without a log has no lines") {
    const TempFolder folder;
    const LogReader reader(folder / "none");
    CHECK(reader.read({}).value().lines.empty());
    CHECK(reader.end() == wire::LogPosition{1, 0});
    CHECK(reader.files().empty());
}

TEST_CASE("the tail goes over rotated files and counts whole lines that match") {
    const TempFolder folder;
    folder.write("00000001.log", cri(1, "one") + cri(2, "two", "stderr F"));
    folder.write("00000002.log", cri(3, "three"));
    folder.write("current", cri(4, "fo", "stdout P") + cri(4, "ur") + cri(5, "five", "stderr F"));
    const LogReader reader(folder.path());
    CHECK(reader.files().size() == 3);
    const auto tail =
        [&reader](std::size_t count, const std::string& stream = {}, const std::string& part = {}) {
            LogQuery query;
            query.tail = count;
            query.stream = stream;
            if (!part.empty()) {
                query.matches = [part](std::string_view text) {
                    return text.find(part) != std::string_view::npos;
                };
            }
            return texts(reader.read(query).value());
        };
    CHECK(tail(0).empty());
    CHECK(tail(1) == Texts{"five"});
    CHECK(tail(2) == Texts{"four", "five"});
    CHECK(tail(3) == Texts{"three", "four", "five"});
    CHECK(tail(4) == Texts{"two", "three", "four", "five"});
    CHECK(tail(99) == Texts{"one", "two", "three", "four", "five"});
    CHECK(tail(2, "stderr") == Texts{"two", "five"});
    CHECK(tail(1, "", "w") == Texts{"two"});
    CHECK(tail(1, "stdout", "thr") == Texts{"three"});
}

TEST_CASE("a tail longer than a block of the file is found") {
    const TempFolder folder;
    std::string log;
    for (int i = 0; i < 5000; ++i) {
        log += cri(i, "line " + std::to_string(i));
    }
    folder.write("current", log);
    const LogReader reader(folder.path());
    for (const std::size_t count : {std::size_t{1}, std::size_t{1300}, std::size_t{4999}}) {
        LogQuery query;
        query.tail = count;
        query.max_lines = 10'000;
        const Texts lines = texts(reader.read(query).value());
        REQUIRE(lines.size() == count);
        CHECK(lines.front() == "line " + std::to_string(5000 - count));
        CHECK(lines.back() == "line 4999");
    }
}

TEST_CASE("since, stream and pattern leave lines out, and the place goes on behind them") {
    const TempFolder folder;
    folder.write("current", cri(1, "one") + cri(2, "two", "stderr F") + cri(3, "three"));
    const LogReader reader(folder.path());
    LogQuery query;
    query.since = second(2);
    CHECK(texts(reader.read(query).value()) == Texts{"two", "three"});
    query.stream = "stdout";
    CHECK(texts(reader.read(query).value()) == Texts{"three"});
    query.matches = [](std::string_view) { return false; };
    const auto none = reader.read(query).value();
    CHECK(none.lines.empty());
    CHECK(none.next == reader.end());
}

TEST_CASE("the last lines before a time are found, however much follows") {
    const TempFolder folder;
    std::string text;
    for (int i = 0; i < 5000; ++i) {
        text += cri(i, "line " + std::to_string(i));
    }
    folder.write("current", text);
    const LogReader reader(folder.path());
    LogQuery query;
    query.until = second(100);
    query.tail = 2;
    const auto batch = reader.read(query).value();
    CHECK(texts(batch) == Texts{"line 98", "line 99"});
    CHECK_FALSE(batch.truncated);
    query.tail.reset();
    query.since = second(97);
    CHECK(texts(reader.read(query).value()) == Texts{"line 97", "line 98", "line 99"});
    query.until = second(97);
    CHECK(reader.read(query).value().lines.empty());
}

TEST_CASE("a file whose time is that of the last tick is not taken for an older one") {
    const TempFolder folder;
    folder.write("00000001.log", cri(10, "one"));
    folder.write("current", cri(10, "two"));
    const LogReader reader(folder.path());
    const auto set_time = [&folder](const std::string& name, Duration before) {
        const auto ns = (second(10) - before).time_since_epoch().count();
        const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
        const std::array<timespec, 2> times{time, time};
        REQUIRE(::utimensat(AT_FDCWD, (folder / name).c_str(), times.data(), 0) == 0);
    };
    LogQuery query;
    query.since = second(10);
    set_time("00000001.log", std::chrono::milliseconds(10));
    set_time("current", std::chrono::milliseconds(10));
    CHECK(texts(reader.read(query).value()) == Texts{"one", "two"});
    query.tail = 5;
    CHECK(texts(reader.read(query).value()) == Texts{"one", "two"});
    set_time("00000001.log", std::chrono::seconds(1));  // older than any of its lines can be
    CHECK(texts(reader.read(query).value()) == Texts{"two"});
}

TEST_CASE("a follower loses nothing and sees nothing twice over rotations") {
    const TempFolder folder;
    const std::string path = folder / "app";
    auto writer = LogWriter::open({path, 2000, 1000});
    REQUIRE(writer);
    const LogReader reader(path);
    wire::LogPosition at{1, 0};
    Texts seen;
    for (int i = 0; i < 500; ++i) {
        writer->append(Stream::Stdout, "line " + std::to_string(i) + "\n", second(i));
        if (i % 7 == 0) {
            for (const std::string& text : follow(reader, at, 3)) {
                seen.push_back(text);
            }
        }
    }
    for (const std::string& text : follow(reader, at, 3)) {
        seen.push_back(text);
    }
    REQUIRE(seen.size() == 500);
    for (std::size_t i = 0; i < 500; ++i) {
        CHECK(seen[i] == "line " + std::to_string(i));
    }
    CHECK(reader.files().size() > 5);
    CHECK(at == reader.end());
}

TEST_CASE("a follower that is slower than the rotation is told so") {
    const TempFolder folder;
    const std::string path = folder / "app";
    auto writer = LogWriter::open({path, 1000, 2});
    REQUIRE(writer);
    writer->append(Stream::Stdout, "first\n", second(0));
    const LogReader reader(path);
    LogQuery query;
    query.from = wire::LogPosition{1, 0};
    CHECK(reader.read(query).value().skipped_bytes == 0);
    for (int i = 0; i < 200; ++i) {
        writer->append(Stream::Stdout, "line " + std::to_string(i) + "\n", second(i));
    }
    const auto batch = reader.read(query).value();
    CHECK(batch.skipped_bytes > 0);
    CHECK(texts(batch).back() == "line 199");
    CHECK(texts(batch).front() != "first");
    CHECK(reader.files().size() == 3);
    query.from = batch.next;
    CHECK(reader.read(query).value().skipped_bytes == 0);
}

TEST_CASE("a log that was cleaned is read from its new beginning") {
    const TempFolder folder;
    folder.write("current", cri(1, "an old line that is longer than what follows"));
    const LogReader reader(folder.path());
    LogQuery query;
    query.from = reader.read({}).value().next;
    REQUIRE(query.from->offset > 0);

    folder.write("current", cri(2, "new"));  // the same file number, shorter
    CHECK(texts(reader.read(query).value()) == Texts{"new"});

    query.from = wire::LogPosition{7, 100};  // there were six rotated files
    CHECK(texts(reader.read(query).value()) == Texts{"new"});
}

TEST_CASE("half a line is left for the next time") {
    const TempFolder folder;
    const std::string second_line = cri(2, "two");
    folder.write("current", cri(1, "one") + second_line.substr(0, 42));
    const LogReader reader(folder.path());
    const auto first = reader.read({}).value();
    CHECK(texts(first) == Texts{"one"});
    folder.append("current", second_line.substr(42));
    LogQuery query;
    query.from = first.next;
    CHECK(texts(reader.read(query).value()) == Texts{"two"});
}

TEST_CASE("lines that are none are passed over, bytes that are no UTF-8 are kept") {
    const TempFolder folder;
    folder.write("current", "rubbish\n" + cri(1, std::string("a\0\xFF", 3)) + "\n" + cri(2, "b"));
    const LogReader reader(folder.path());
    CHECK(texts(reader.read({}).value()) == Texts{std::string("a\0\xFF", 3), "b"});
}

TEST_CASE("a batch ends at its limits and says that there is more") {
    const TempFolder folder;
    std::string log;
    for (int i = 0; i < 10; ++i) {
        log += cri(i, std::string(100, 'x'));
    }
    folder.write("current", log);
    const LogReader reader(folder.path());
    LogQuery query;
    query.max_lines = 4;
    CHECK(reader.read(query).value().lines.size() == 4);
    CHECK(reader.read(query).value().truncated);
    query.max_lines = 100;
    query.max_bytes = 300;
    const auto batch = reader.read(query).value();
    CHECK(batch.lines.size() == 3);
    CHECK(batch.truncated);
    query.max_bytes = 1U << 20U;
    CHECK_FALSE(reader.read(query).value().truncated);
}

namespace {

wire::LogBatch read(const std::string& folder, const LogQuery& query = {}) {
    return LogReader(folder).read(query).value();
}

LogQuery tail_of(std::size_t count, LogForm form = LogForm::Lines) {
    LogQuery query;
    query.form = form;
    query.tail = count;
    return query;
}

std::function<bool(std::string_view)> ends_with(const std::string& end) {
    return [end](std::string_view text) { return text.ends_with(end); };
}

// Every place where a reading may begin: between two records, and how many lines end behind it.
struct Place {
    wire::LogPosition at;
    std::size_t records = 0;  // before it
};

std::vector<Place> places(const std::string& log, std::uint64_t file) {
    std::vector<Place> all{{{file, 0}, 0}};
    for (std::size_t end = log.find('\n'); end != std::string::npos;
         end = log.find('\n', end + 1)) {
        all.push_back({{file, end + 1}, all.size()});
    }
    return all;
}

}  // namespace

TEST_CASE("what the writer marks as partial is a line when it is finished") {
    const TempFolder folder;
    auto writer = LogWriter::open({folder.path(), 1U << 20U, 2});
    REQUIRE(writer);
    writer->append(Stream::Stdout, "ab", second(0));
    writer->append(Stream::Stderr, "!\n", second(1));
    writer->append(Stream::Stdout, "c\n\nlast", second(2));

    LogQuery query;
    query.form = LogForm::Pieces;
    auto lines = read(folder.path(), query).lines;
    REQUIRE(lines.size() == 5);
    CHECK((lines[0].text == "ab" && lines[0].partial));
    CHECK((lines[1].text == "!" && lines[1].is_stderr));
    CHECK((lines[2].text == "c" && !lines[2].partial));
    CHECK((lines[3].text.empty() && !lines[3].partial));
    CHECK((lines[4].text == "last" && lines[4].partial));

    lines = read(folder.path()).lines;
    REQUIRE(lines.size() == 3);
    CHECK((lines[0].text == "!" && lines[0].is_stderr));
    CHECK((lines[1].text == "abc" && !lines[1].partial && lines[1].time == second(0)));
    CHECK((lines[2].text.empty() && !lines[2].partial));

    query.form = LogForm::AndRest;
    lines = read(folder.path(), query).lines;
    REQUIRE(lines.size() == 4);
    CHECK((lines[3].text == "last" && lines[3].partial));
}

TEST_CASE("a reading that begins anywhere gives the lines that end behind it, whole") {
    const TempFolder folder;
    const std::string old = cri(1, "zero", "stderr F") + cri(2, "a", "stdout P");
    const std::string log = cri(3, "x", "stderr P") + cri(4, "b", "stdout P") +
                            cri(5, "y", "stderr F") + cri(6, "c") + cri(7, "d", "stderr F");
    folder.write("00000001.log", old);
    folder.write("current", log);
    const Texts all{"zero", "xy", "abc", "d"};
    for (const auto& [text, file] : {std::pair{old, 1}, {log, 2}}) {
        for (const Place& place : places(text, static_cast<std::uint64_t>(file))) {
            INFO(file << " " << place.records);
            LogQuery query;
            query.from = place.at;
            const std::size_t records = place.records + (file == 2 ? 2 : 0);
            const std::size_t gone = records < 1   ? 0
                                     : records < 5 ? 1
                                     : records < 6 ? 2
                                     : records < 7 ? 3
                                                   : 4;
            CHECK(texts(read(folder.path(), query)) ==
                  Texts(all.begin() + static_cast<std::ptrdiff_t>(gone), all.end()));
        }
    }
    for (std::size_t count = 0; count <= 5; ++count) {
        INFO(count);
        const std::size_t gone = all.size() - std::min(all.size(), count);
        CHECK(texts(read(folder.path(), tail_of(count))) ==
              Texts(all.begin() + static_cast<std::ptrdiff_t>(gone), all.end()));
    }
    const LogReader reader(folder.path());
    for (std::size_t lines = 1; lines < 4; ++lines) {
        wire::LogPosition at{1, 0};
        CHECK(follow(reader, at, lines) == all);
    }
}

TEST_CASE("a follower gets a line once, when it is finished, over rotations") {
    const TempFolder folder;
    const std::string path = folder / "app";
    auto writer = LogWriter::open({path, 300, 1000});
    REQUIRE(writer);
    const LogReader reader(path);
    wire::LogPosition at{1, 0};
    Texts seen;
    Texts expected;
    const auto look = [&] {
        const Texts now = follow(reader, at, 2);
        seen.insert(seen.end(), now.begin(), now.end());
    };
    for (int i = 0; i < 100; ++i) {
        const std::string number = std::to_string(i);
        writer->append(Stream::Stdout, "out ", second(i));
        i % 3 == 0 ? look() : void();
        writer->append(Stream::Stderr, "err ", second(i));
        writer->append(Stream::Stdout, number, second(i));
        look();
        writer->append(Stream::Stderr, number + "\n", second(i));
        i % 2 == 0 ? look() : void();
        writer->append(Stream::Stdout, "\n", second(i));
        expected.push_back("err " + number);
        expected.push_back("out " + number);
    }
    look();
    CHECK(seen == expected);
    CHECK(reader.files().size() > 20);
}

TEST_CASE("a line in pieces is searched, and found by its first piece's time and its stream") {
    const TempFolder folder;
    folder.write("00000001.log", cri(1, "listening ", "stdout P"));
    folder.write("current",
                 cri(2, "noise", "stderr F") + cri(3, "on ", "stdout P") + cri(4, "8080\r") +
                     cri(5, "late"));
    LogQuery query;
    query.matches = ends_with("on 8080");
    CHECK(texts(read(folder.path(), query)) == Texts{"listening on 8080\r"});
    CHECK(wire::shown_text(read(folder.path(), query).lines.front()) == "listening on 8080");
    query.tail = 1;
    CHECK(texts(read(folder.path(), query)) == Texts{"listening on 8080\r"});
    query.matches = {};
    query.tail.reset();
    query.stream = "stdout";
    query.since = second(2);  // it began before
    CHECK(texts(read(folder.path(), query)) == Texts{"late"});
    query.tail = 9;
    CHECK(texts(read(folder.path(), query)) == Texts{"late"});
    query.since = second(1);
    CHECK(texts(read(folder.path(), query)) == Texts{"listening on 8080\r", "late"});
    query.since.reset();
    query.until = second(2);  // and ends after
    CHECK(texts(read(folder.path(), query)) == Texts{"listening on 8080\r"});
    query.tail.reset();
    CHECK(texts(read(folder.path(), query)) == Texts{"listening on 8080\r"});
}

TEST_CASE("what is not finished comes at the end of a tail, of both streams, and whole later") {
    const TempFolder folder;
    folder.write("current",
                 cri(1, "Name", "stdout P") + cri(2, "one", "stderr F") + cri(3, ": ", "stdout P") +
                     cri(4, "two", "stderr F") + cri(5, "half", "stderr P"));
    const auto batch = read(folder.path(), tail_of(1, LogForm::AndRest));
    REQUIRE(texts(batch) == Texts{"two", "Name: ", "half"});
    CHECK((!batch.lines[0].partial && batch.lines[1].partial && batch.lines[2].partial));
    CHECK(batch.lines[1].time == second(1));
    CHECK(texts(read(folder.path(), tail_of(1))) == Texts{"two"});

    // Whoever puts pieces together gets what is before the tail too.
    CHECK(texts(read(folder.path(), tail_of(0, LogForm::Pieces))) == Texts{"Name: ", "half"});

    folder.append("current", cri(6, "Bob"));
    LogQuery query;
    query.from = batch.next;
    CHECK(texts(read(folder.path(), query)) == Texts{"Name: Bob"});
    query.form = LogForm::AndRest;
    query.rest_of_new = true;
    CHECK(texts(read(folder.path(), query)) == Texts{"Name: Bob"});
    query.rest_of_new = false;
    CHECK(texts(read(folder.path(), query)) == Texts{"Name: Bob", "half"});
}

TEST_CASE("a run does not go on with a line that the one before left unfinished") {
    const TempFolder folder;
    folder.write("current",
                 cri(1, "half", "stdout P") + cri(5, "hello") + cri(6, "end", "stdout P"));
    LogQuery query;
    query.runs = [] { return std::vector<WallTime>{second(0), second(3)}; };
    CHECK(texts(read(folder.path(), query)) == Texts{"half", "hello"});
    query.since = second(3);
    CHECK(texts(read(folder.path(), query)) == Texts{"hello"});
    query.since.reset();
    for (const auto& [count, expected] :
         {std::pair{1, Texts{"hello"}}, {2, Texts{"half", "hello"}}}) {
        query.tail = static_cast<std::size_t>(count);
        CHECK(texts(read(folder.path(), query)) == expected);
    }
    query.tail.reset();
    query.until = second(3);
    CHECK(texts(read(folder.path(), query)) == Texts{"half"});
    query.until.reset();
    query.from = wire::LogPosition{1, cri(1, "half").size()};
    CHECK(texts(read(folder.path(), query)) == Texts{"half", "hello"});
    query.form = LogForm::Pieces;
    const auto pieces = read(folder.path(), query).lines;
    REQUIRE(pieces.size() == 3);
    CHECK((pieces[0].text.empty() && !pieces[0].partial));  // ends "half"
    CHECK(pieces[1].text == "hello");
}

TEST_CASE("what the keeper says itself is a line of its own") {
    const TempFolder folder;
    folder.write("current", cri(1, "half", "stderr P") + cri(2, "[berth] 3 lines", "stderr F"));
    CHECK(texts(read(folder.path())) == Texts{"half", "[berth] 3 lines"});
}

TEST_CASE("a line in pieces is cut at its bound and says so, wherever the reading began") {
    const TempFolder folder;
    const std::string piece(60'000, 'x');
    std::string log = cri(1, "before");
    for (int i = 0; i < 20; ++i) {
        log += cri(2, piece, "stdout P");
    }
    const std::size_t middle = log.size();
    log += cri(3, "end") + cri(4, "after");
    folder.write("current", log);
    LogQuery query;
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{middle}}) {
        query.from = wire::LogPosition{1, offset};
        auto lines = read(folder.path(), query).lines;
        if (lines.front().text == "before") {
            query.from = read(folder.path(), query).next;
            lines.erase(lines.begin());
        }
        REQUIRE_FALSE(lines.empty());
        CHECK(lines.front().text == std::string(kMaxLine, 'x') + " … [berth: line cut at 1 MiB]");
    }
    CHECK(texts(read(folder.path(), tail_of(1))) == Texts{"after"});
    query = tail_of(2);
    query.max_bytes = 2 * kMaxLine;
    CHECK(texts(read(folder.path(), query)).size() == 2);
}

TEST_CASE("the beginning of a line is looked for so far back and no further, and that is said") {
    const TempFolder folder;
    std::string log = cri(1, "far ", "stdout P");
    for (int i = 0; i < 100; ++i) {
        log += cri(2, std::string(60'000, 'e'), "stderr F");
    }
    log += cri(3, "near ", "stdout P");
    const std::size_t end = log.size();
    folder.write("current", log + cri(4, "end"));
    LogQuery query;
    query.from = wire::LogPosition{1, end};
    CHECK(texts(read(folder.path(), query)) ==
          Texts{"[berth: this line began over 4 MiB before] … near end"});
}

TEST_CASE("a log whose last line was cut by a crash goes on with a line of its own") {
    const TempFolder folder;
    folder.write("current", cri(1, "whole") + cri(2, "cut off here").substr(0, 45));
    auto writer = LogWriter::open({folder.path(), 1U << 20U, 2});
    REQUIRE(writer);
    writer->append(Stream::Stdout, "next\n", second(3));
    CHECK(texts(LogReader(folder.path()).read({}).value()) == Texts{"whole", "cut o", "next"});
}

TEST_CASE("rotation keeps what it should and numbers go on after a restart") {
    const TempFolder folder;
    for (int round = 0; round < 3; ++round) {
        auto writer = LogWriter::open({folder.path(), 200, 2});
        REQUIRE(writer);
        for (int i = 0; i < 10; ++i) {
            writer->append(Stream::Stdout, std::string(80, 'x') + "\n", second(i));
        }
    }
    const auto files = LogReader(folder.path()).files();
    REQUIRE(files.size() == 3);
    CHECK(files.back() == folder / "current");
    CHECK(files.front() > folder / "00000010.log");
    for (const std::string& file : files) {
        CHECK(std::filesystem::file_size(file) <= 200);
    }
    // None besides the current one.
    const TempFolder alone;
    auto writer = LogWriter::open({alone.path(), 200, 0});
    for (int i = 0; i < 10; ++i) {
        writer->append(Stream::Stdout, std::string(80, 'x') + "\n", second(i));
    }
    CHECK(LogReader(alone.path()).files() == Texts{alone / "current"});
}
