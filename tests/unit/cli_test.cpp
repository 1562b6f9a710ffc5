#include <algorithm>
#include <clocale>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/cli/arguments.h"
#include "agent/cli/columns.h"
#include "agent/cli/commands.h"
#include "agent/cli/completion.h"
#include "agent/cli/durations.h"
#include "agent/cli/terminal_modes.h"
#include "shared/time/backoff.h"
#include "shared/wire/line_joiner.h"

using namespace berth;       // NOLINT(google-build-using-namespace): tests read better
using namespace berth::cli;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

using Words = std::vector<std::string>;

std::string problem(const Words& words) {
    const auto arguments = parse_arguments(words);
    return arguments ? "none" : arguments.error().message;
}

}  // namespace

TEST_CASE("every command of the table has its function, and can be said") {
    for (const command::Command& command : command::commands()) {
        INFO(command.name);
        CHECK(find_run(command.name) != nullptr);
        CHECK(command::find(command.name) == &command);
        CHECK_FALSE(command.summary.empty());
        CHECK_FALSE(command.group.empty());
        CHECK(command.min_arguments <= command.max_arguments);
        Words words;
        const std::string name(command.name);
        const std::size_t blank = name.find(' ');
        words.push_back(name.substr(0, blank));
        if (blank != std::string::npos) {
            words.push_back(name.substr(blank + 1));
        }
        words.insert(words.end(), command.min_arguments, "x");
        for (const command::Option& option : command.options) {
            words.emplace_back(option.name);
            if (!option.value.empty()) {
                words.emplace_back("value");
            }
        }
        const auto arguments = parse_arguments(words);
        REQUIRE(arguments);
        CHECK(arguments->command == &command);
        CHECK(arguments->words.size() == command.min_arguments);
        for (const command::Option& option : command.options) {
            CHECK(arguments->get(std::string(option.name)) ==
                  (option.value.empty() ? "" : "value"));
        }
    }
    CHECK(find_run("") != nullptr);
    CHECK(find_run("no such command") == nullptr);
    CHECK(command::find("agent") == nullptr);
}

TEST_CASE("options stand anywhere, in both spellings, and -- ends them") {
    const auto check = [](const Words& words) {
        INFO(words.front());
        const auto arguments = parse_arguments(words);
        REQUIRE(arguments);
        CHECK(arguments->command->name == "logs");
        CHECK(arguments->get("--lines") == "5");
        CHECK(arguments->get("--home") == "/x");
        CHECK(arguments->has("--follow"));
        CHECK(arguments->words == Words{"web"});
    };
    check({"logs", "web", "-f", "-n", "5", "--home", "/x"});
    check({"--home=/x", "logs", "--lines=5", "--follow", "web"});
    check({"--home", "/x", "-n", "5", "logs", "-f", "web"});

    const auto rest = parse_arguments({"start", "--", "--web", "-"});
    REQUIRE(rest);
    CHECK(rest->words == Words{"--web", "-"});
    CHECK(parse_arguments({"logs", "x", "--grep="})->get("--grep", "fallback").empty());
    CHECK(parse_arguments({"logs", "x", "--grep=a=b"})->get("--grep") == "a=b");
    CHECK(parse_arguments({"logs", "x"})->get("--grep", "fallback") == "fallback");
}

TEST_CASE("words of commands of two words are not mistaken for arguments") {
    const auto run = parse_arguments({"agent", "--name", "lab", "run"});
    REQUIRE(run);
    CHECK(run->command->name == "agent run");
    CHECK(run->words.empty());
    CHECK(run->get("--name") == "lab");
    CHECK(problem({"agent"}).find("\"agent\" is followed by one of run, stop") == 0);
    CHECK(problem({"controller", "fly"}).find("is followed by one of") != std::string::npos);
}

TEST_CASE("what is not known is said with what is near") {
    CHECK(problem({"strat", "x"}) == "there is no command \"strat\", did you mean \"start\"?");
    CHECK(problem({"zzzzzzzz"}) == "there is no command \"zzzzzzzz\"");
    CHECK(problem({"logs", "x", "--folow"}) ==
          "there is no option \"--folow\", did you mean \"--follow\"?");
    CHECK(problem({"start", "x", "--grep", "y"}).find("there is no option \"--grep\"") == 0);
    CHECK(problem({"logs", "x", "--lines"}) == "--lines needs a value: N");
    CHECK(problem({"logs", "x", "--follow=yes"}) == "--follow takes no value");
    CHECK(problem({"start"}) == "usage: berth start PATTERN...");
    CHECK(problem({"explain", "a", "b"}) == "usage: berth explain ID");
    CHECK(problem({"start", "--help"}) == "none");
    CHECK(problem({}) == "none");
}

TEST_CASE("durations, moments and counts") {
    CHECK(parse_duration("500ms").value() == milliseconds(500));
    CHECK(parse_duration("1.5s").value() == milliseconds(1500));
    CHECK(parse_duration("2m").value() == seconds(120));
    CHECK(parse_duration("1h").value() == seconds(3600));
    CHECK(parse_duration("2d").value() == seconds(172'800));
    CHECK(parse_duration("0s").value() == seconds(0));
    for (const char* text :
         {"", "5", "s", "-1s", "1 s", "1sec", "nan s", "nans", "infs", "1e9d", "1S"}) {
        INFO(text);
        CHECK_FALSE(parse_duration(text));
    }
    const WallTime now(seconds(1'700'000'000));
    CHECK(parse_moment("10m", now).value() == now - seconds(600));
    CHECK(parse_moment("2023-11-14T22:13:20Z", now).value() == now);
    CHECK(parse_moment("2023-11-14 22:13:20", now));
    const auto local = [&now](const char* text) {
        return local_time(parse_moment(text, now).value());
    };
    const std::string today = local_time(now).substr(0, 10);
    CHECK(local("14:02").substr(0, 19) == today + " 14:02:00");
    CHECK(local("14:02:05").substr(0, 19) == today + " 14:02:05");
    CHECK(local("2023-03-01").substr(0, 19) == "2023-03-01 00:00:00");
    CHECK(local("2023-03-01 09:30").substr(0, 19) == "2023-03-01 09:30:00");
    for (const char* text : {"",
                             "yesterday",
                             "25:00",
                             "14:2x",
                             "2023-13-14",
                             "2023-11-14T22:13:20",
                             "2023-11-14T22:13:20Zx"}) {
        INFO(text);
        CHECK_FALSE(parse_moment(text, now));
    }
    CHECK(parse_count("0").value() == 0);
    CHECK(parse_count("1000000").value() == 1'000'000);
    for (const char* text : {"", "-1", "1000001", "1x", " 1", "99999999999999999999999"}) {
        INFO(text);
        CHECK_FALSE(parse_count(text));
    }
}

TEST_CASE("backoff stays within its bounds for any attempt") {
    const BackoffPolicy policy{seconds(1), 2.0, seconds(60), 0.25};
    CHECK(backoff_delay(policy, 0, 0.5) == seconds(1));
    CHECK(backoff_delay(policy, 5, 0.5) == seconds(32));
    CHECK(backoff_delay(policy, 6, 0.5) == seconds(60));
    CHECK(backoff_delay(policy, 4'000'000'000U, 0.5) == seconds(60));
    CHECK(backoff_delay(policy, 2, 0.0) == seconds(3));
    CHECK(backoff_delay(policy, 6, 0.999) == seconds(60));
    CHECK(backoff_delay({seconds(0), 2.0, seconds(60), 0.1}, 9, 0.5) == seconds(0));
    CHECK(backoff_delay({seconds(5), 1.0, seconds(60), 0}, 9, 0.9) == seconds(5));
    for (std::uint32_t attempt = 0; attempt < 40; ++attempt) {
        for (const double random : {0.0, 0.3, 0.7, 0.999999}) {
            const Duration delay = backoff_delay(policy, attempt, random);
            CHECK(delay >= milliseconds(750));
            CHECK(delay <= seconds(60));
        }
    }
}

TEST_CASE("pieces of lines are put together for print, the streams never mixed") {
    const auto piece = [](const std::string& text, bool is_stderr, bool partial) {
        return wire::LogLine{WallTime(), is_stderr, partial, text};
    };
    const auto prefix = [](WallTime) { return std::string("| "); };
    wire::LineJoiner whole(wire::LineJoiner::Show::Whole, prefix);
    CHECK(whole.take({piece("listening on ", false, true)}).empty());
    CHECK(whole.take({piece("err", true, false)}) == "| err\n");
    CHECK(whole.take({piece("8080\r", false, false)}) == "| listening on 8080\r\n");
    CHECK(whole.take({piece("a", false, true), piece("b", true, true)}).empty());
    CHECK(whole.end() == "| a\n| b");

    wire::LineJoiner soon(wire::LineJoiner::Show::Soon, prefix);
    CHECK(soon.take({piece("Name", false, true)}) == "| Name");
    CHECK(soon.take({piece(": ", false, true)}) == ": ");
    CHECK(soon.take({piece("Bob", false, false)}) == "Bob\n");
    CHECK(soon.take({piece("a", false, true), piece("e", true, false)}) == "| e\n| a");
    CHECK(soon.take({piece("f", true, false)}) == "\n| f\n");
    CHECK(soon.take({piece("b", false, false)}) == "| ab\n");

    wire::LineJoiner large(wire::LineJoiner::Show::Whole, prefix);
    const std::string half(700'000, 'x');
    CHECK(large.take({piece(half, false, true)}).empty());
    CHECK(large.take({piece(half, false, true)}) == "| " + half + half);
    CHECK(large.take({piece("end", false, false)}) == "end\n");
}

// --- completion

TEST_CASE("what may stand at a place of the command line") {
    const auto has = [](const Words& words, const std::string& wanted) {
        const Words found = completions(words);
        return std::find(found.begin(), found.end(), wanted) != found.end();
    };
    CHECK(has({""}, "start"));
    CHECK(has({"sta"}, "agent"));  // the last word is for the caller to compare
    CHECK_FALSE(has({""}, "agent run"));
    CHECK(has({"agent", ""}, "authorize"));
    CHECK(has({"--json", "agent", ""}, "peers"));
    CHECK_FALSE(has({"agent", ""}, "start"));
    CHECK(has({"start", "--"}, "--if-needed"));
    CHECK(has({"start", "--"}, "--agent"));
    CHECK_FALSE(has({"list", "--"}, "--if-needed"));
    CHECK(completions({"start", ""}) == Words{kIdsComplete});
    CHECK(completions({"start", "a", "b", ""}) == Words{kIdsComplete});
    CHECK(completions({"explain", "a", ""}).empty());  // it takes one
    CHECK(completions({"list", "--agent", ""}) == Words{kAgentsComplete});
    CHECK(completions({"--agent", "lab", "explain", ""}) == Words{kIdsComplete});
    CHECK(completions({"logs", "--stream", ""}) == Words{"stdout", "stderr"});
    CHECK(completions({"load", ""}) == Words{kFilesComplete});
    CHECK(completions({"--home", ""}) == Words{kFilesComplete});
    CHECK(completions({"completion", ""}) == Words{"bash", "zsh", "fish"});
    CHECK(has({"help", ""}, "controller"));
    CHECK(has({"help", "controller", ""}, "add-user"));
    CHECK(completions({"notify", "a", ""}).empty());  // a message, nobody knows which
    CHECK(completions({"no-such", "x", ""}).empty());
    CHECK(options_before({"--agent", "lab", "list", "--home=/x", ""}) ==
          Words{"--agent", "lab", "--home=/x"});
    CHECK(options_before({"list", "--agent", ""}).empty());  // it is being typed
    for (const command::Command& command : command::commands()) {
        const std::string name(command.name);
        INFO(name);
        CHECK(
            has({name.substr(0, name.find(' ')), name.find(' ') == std::string::npos ? "-" : ""},
                name.find(' ') == std::string::npos ? "--help" : name.substr(name.find(' ') + 1)));
    }
}

// --- columns

TEST_CASE("a table fits into its terminal: what may be cut is, the rest is whole") {
    REQUIRE(std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr);
    const std::vector<Words> rows = {
        {"ID", "STATE", "COMMENT"},
        {"a-very-long-name-of-an-app-17", "running", "does what it is told to, mostly"},
        {"b", "\x1b[32mstopped\x1b[0m", "日本語のコメントはここに"},
    };
    const auto widest = [](const std::string& text) {
        std::size_t most = 0;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find('\n', at);
            most = std::max(most, width_of(text.substr(at, end - at)));
            at = end + 1;
        }
        return most;
    };
    CHECK(width_of("日本") == 4);
    CHECK(width_of("\x1b[32mab\x1b[0m") == 2);
    CHECK(width_of("\xff\xfe") == 2);
    CHECK(table(rows).find("mostly\n") != std::string::npos);
    for (const std::size_t width : {200U, 60U, 50U, 40U, 35U}) {
        const std::string text = table(rows, {width, {2, 0}, {}});
        CAPTURE(width, text);
        CHECK(widest(text) <= width);
        CHECK(text.find("running") != std::string::npos);
        CHECK(text.find("\x1b[32mstopped\x1b[0m") != std::string::npos);
    }
    const std::string narrow = table(rows, {40, {2, 0}, {}});
    CHECK(narrow.find("-17") != std::string::npos);  // an id keeps its end
    CHECK(narrow.find("…") != std::string::npos);
    const std::string least = table(rows, {20, {2, 0}, {2, 1}});
    CHECK(widest(least) <= 20);
    CHECK(least.find("STATE") == std::string::npos);
    CHECK(least.find("a-very-l…p-17\n") == std::string::npos);  // there is room for more of it
    CHECK(cut_to("abcdef", 4) == "abc…");
    CHECK(cut_to("abcdef", 6) == "abcdef");
    CHECK(cut_to("日本語", 4) == "日…");
    CHECK(cut_to("\x1b[32mabcdef\x1b[0m", 4) == "\x1b[32mabc…\x1b[0m");

    const std::string wrapped =
        table({{"  --x", "one two three four five six"}, {"alone, and longer than all"}},
              {20, {}, {}, true});
    CHECK(wrapped == "  --x  one two three\n       four five six\nalone, and longer than all\n");
}

TEST_CASE("of many names some are said") {
    CHECK(some_of({"a", "b", "c"}) == "a, b, c");
    CHECK(some_of({"a", "b", "c", "d"}, 3) == "a, b, c, d");  // "and 1 more" is no shorter
    CHECK(some_of({"a", "b", "c", "d", "e"}, 3) == "a, b, c and 2 more");
}

// --- what a program does to a terminal

TEST_CASE("a terminal is put right after what was written to it, and left alone otherwise") {
    const auto after = [](const std::vector<std::string>& pieces) {
        TerminalModes modes;
        for (const std::string& piece : pieces) {
            modes.take(piece);
        }
        return modes.undo();
    };
    CHECK(after({"hello\r\n\x1b[2J\x1b[H"}).empty());
    CHECK(after({"\x1b[?1049h"}) == "\x1b[?1049l");
    CHECK(after({"\x1b[?1049h", "\x1b[?1049l"}).empty());
    CHECK(after({"\x1b", "[", "?", "10", "49", "h"}) == "\x1b[?1049l");
    CHECK(after({"\x1b[?25l"}) == "\x1b[?25h");
    CHECK(after({"\x1b[?25l\x1b[?25h"}).empty());
    CHECK(after({"\x1b[?1000;1006h\x1b[?2004h"}) == "\x1b[?1000l\x1b[?1006l\x1b[?2004l");
    CHECK(after({"\x1b[?7l"}) == "\x1b[?7h");
    CHECK(after({"\x1b="}) == "\x1b>");
    CHECK(after({"\x1b=\x1b>"}).empty());
    CHECK(after({"\x1b[31mred"}) == "\x1b[0m");
    CHECK(after({"\x1b[31mred\x1b[0m"}).empty());
    // The other screen goes last, so that the modes of the first are what they were.
    CHECK(after({"\x1b[?1049h\x1b[?1000h\x1b[?25l"}) == "\x1b[?1000l\x1b[?25h\x1b[?1049l");
    CHECK(after({"\x1b[?1049h\x1b"
                 "c"})
              .empty());  // it has put it right itself
    CHECK(after({"\x1b[?" + std::string(100'000, '1') + "h"}).empty());
    CHECK(after({"\x1b[?;;h\x1b[?h\x1b[\x1b[?1004h"}) == "\x1b[?1004l");
}
