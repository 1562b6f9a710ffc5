#include "shared/base/flags.h"

#include <array>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using namespace berth;

namespace {

constexpr std::array kKnown = {
    Flag{"--home", "", "DIR", "where"},
    Flag{"--lines", "-n", "N", "how many"},
    Flag{"--quiet", "-q", "", "say nothing"},
    Flag{"--report-fd", "", "N", ""},
};

CommandLine parsed(const std::vector<std::string>& words) {
    return CommandLine::parse(words, kKnown).value();
}

std::string problem(const std::vector<std::string>& words) {
    const auto line = CommandLine::parse(words, kKnown);
    return line ? "" : line.error().message;
}

}  // namespace

TEST_CASE("flags stand anywhere, with their values after them or attached") {
    const CommandLine line = parsed({"a", "--home", "/x", "-q", "--lines=5", "b", "-"});
    CHECK(line.words() == std::vector<std::string>{"a", "b", "-"});
    CHECK(line.get("--home") == "/x");
    CHECK(line.number("--lines", 1) == 5);
    CHECK(line.has("--quiet"));
    CHECK_FALSE(line.has("--report-fd"));
    CHECK(line.get("--report-fd", "3") == "3");
    CHECK(line.number("--report-fd", -1) == -1);
}

TEST_CASE("of a flag that is repeated the last one counts, and all are there") {
    const CommandLine line = parsed({"-n", "1", "--lines=", "-n", "-3"});
    CHECK(line.get("--lines") == "-3");
    CHECK(line.all("--lines") == std::vector<std::string>{"1", "", "-3"});
    CHECK(line.number("--lines", 1).error().message == "--lines takes a whole number, not \"-3\"");
}

TEST_CASE("what follows two dashes is no flag") {
    const CommandLine line = parsed({"--home", "--", "--", "-q", "--"});
    CHECK(line.get("--home") == "--");
    CHECK(line.words() == std::vector<std::string>{"-q", "--"});
}

TEST_CASE("a command line that cannot be meant is refused in words") {
    CHECK(problem({"--hom", "/x"}) == "there is no option \"--hom\", did you mean \"--home\"?");
    CHECK(problem({"-x"}) == "there is no option \"-x\"");
    CHECK(problem({"--lines"}) == "--lines needs a value: N");
    CHECK(problem({"--quiet=1"}) == "--quiet takes no value");
    // What our programs say to each other is proposed to nobody.
    CHECK(problem({"--report"}) == "there is no option \"--report\"");
}

TEST_CASE("what a program needs, and what it takes none of, is said") {
    CHECK(parsed({"-q"}).refuse_words());
    CHECK(parsed({"-q", "a"}).refuse_words().error().message == "unknown argument \"a\"");
    CHECK(parsed({"--home", "/x"}).required("--home").value() == "/x");
    for (const std::vector<std::string>& words : {std::vector<std::string>(), {"--home="}}) {
        CHECK(parsed(words).required("--home").error().message == "--home is missing");
    }
}

TEST_CASE("help has a line for each flag that people use") {
    CHECK(flags_help(kKnown) ==
          "  --home DIR     where\n"
          "  --lines, -n N  how many\n"
          "  --quiet, -q    say nothing\n");
}
