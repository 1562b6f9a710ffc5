#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "agent/cli/arguments.h"
#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
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
