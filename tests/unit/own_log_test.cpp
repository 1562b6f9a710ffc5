#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "shared/log/log_file.h"
#include "shared/log/repeats.h"
#include "shared/os/file.h"
#include "shared/os/unique_fd.h"
#include "tests/unit/temp_folder.h"

using namespace std::chrono_literals;
using berth::MonoTime;
using berth::log::LogFile;
using berth::log::Repeats;

namespace {

struct World {
    Repeats repeats;
    MonoTime now{1h};
    std::vector<std::string> written;

    void tell(const std::vector<Repeats::Held>& due) {
        for (const Repeats::Held& held : due) {
            written.push_back(held.line + " x" + std::to_string(held.count));
        }
    }

    void say(const std::string& text, const std::string& fields = "") {
        std::vector<Repeats::Held> due;
        const bool now_too = repeats.admit(text, text + fields, now, due);
        tell(due);
        if (now_too) {
            written.push_back(text + fields);
        }
    }

    void collect(bool all = false) {
        std::vector<Repeats::Held> due;
        repeats.collect(now, all, due);
        tell(due);
    }
};

}  // namespace

TEST_CASE("a line that is repeated is said once a minute with its count") {
    World world;
    for (int second = 0; second < 150; ++second) {
        world.say("again");
        world.now += 1s;
    }
    CHECK(world.written == std::vector<std::string>{"again", "again x59", "again x60"});
    CHECK(world.repeats.holding());
    world.now += 60s;
    world.collect();
    CHECK(world.written.back() == "again x30");
    CHECK_FALSE(world.repeats.holding());
    world.now += 61s;
    world.collect();
    CHECK(world.repeats.remembered() == 0);
    world.say("again");
    CHECK(world.written.back() == "again");
}

TEST_CASE(
    "of lines that differ in their fields a hundred a minute are said, and the others counted") {
    World world;
    for (int i = 0; i < 1000; ++i) {
        world.say("refused", " from=" + std::to_string(i));
    }
    world.say("something else");
    REQUIRE(world.written.size() == 101);
    CHECK(world.written[99] == "refused from=99");
    CHECK(world.written[100] == "something else");
    world.now += 61s;
    world.collect();
    CHECK(world.written.back() == "refused from=999 x900");
    world.say("refused", " from=1000");
    CHECK(world.written.back() == "refused from=1000");
}

TEST_CASE("what is held back is told at the end, and what is remembered has a bound") {
    World world;
    for (int i = 0; i < 3; ++i) {
        world.say("twice");
    }
    world.collect(/*all=*/true);
    CHECK(world.written == std::vector<std::string>{"twice", "twice x2"});
    std::size_t said = 0;
    for (int i = 0; i < 100'000; ++i) {
        world.say("text " + std::to_string(i));
        ++said;
    }
    CHECK(world.written.size() == 2 + said);  // no line is lost
    CHECK(world.repeats.remembered() <= 512);
    // One that is driven out is told of then.
    world.say("out");
    world.say("out");
    for (int i = 0; i < 300; ++i) {
        world.say("other text " + std::to_string(i));
    }
    CHECK(std::find(world.written.begin(), world.written.end(), "out x1") != world.written.end());
}

TEST_CASE("a log that is large is put aside, and all who write to it go on in the new one") {
    const berth::test::TempFolder folder;
    const std::string path = folder.path() + "/agent.log";
    const auto open = [](const std::string& name) {
        return berth::os::UniqueFd(
            ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    };
    const auto content = [](const std::string& name) {
        return berth::os::read_file(name).value_or("none");
    };
    const auto say = [](LogFile& file, const berth::os::UniqueFd& fd, const std::string& text) {
        file.look_after();
        REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    };
    const auto one_fd = open(path);
    const auto two_fd = open(path);
    LogFile one(one_fd.get(), 100);
    LogFile two(two_fd.get(), 100);
    say(one, one_fd, "begin ");
    say(two, two_fd, std::string(100, 'x'));
    say(one, one_fd, "one ");
    CHECK(content(path) == "one ");
    CHECK(content(path + ".1") == "begin " + std::string(100, 'x'));
    say(two, two_fd, "two ");
    CHECK(content(path) == "one two ");
    for (int i = 0; i < 1000; ++i) {
        say(i % 2 == 0 ? one : two, i % 2 == 0 ? one_fd : two_fd, "0123456789");
    }
    CHECK(content(path).size() + content(path + ".1").size() <= 2 * 110);
    CHECK_FALSE(berth::os::exists(path + ".1.1"));
    // One that is removed is made again.
    REQUIRE(::unlink(path.c_str()) == 0);
    say(one, one_fd, "fresh ");
    say(two, two_fd, "too ");
    CHECK(content(path) == "fresh too ");

    // A process that was started with what another had put aside, or removed, goes on in the new
    // one.
    for (const bool removed : {false, true}) {
        const auto inherited = open(path);
        const std::string was = path + (removed ? ".2" : ".1");
        REQUIRE(::rename(path.c_str(), was.c_str()) == 0);
        if (removed) {
            REQUIRE(::rename(was.c_str(), (path + ".1").c_str()) == 0);
            REQUIRE(::unlink((path + ".1").c_str()) == 0);
        }
        say(one, one_fd, "new ");
        LogFile late(inherited.get(), 100);
        say(late, inherited, "late ");
        CHECK(content(path) == "new late ");
    }

    // A folder that has another name now.
    const std::string other_folder = folder.path() + "/moved";
    REQUIRE(berth::os::make_folders(folder.path() + "/home"));
    const auto moving = open(folder.path() + "/home/up.log");
    LogFile moved(moving.get(), 100);
    say(moved, moving, "before ");
    REQUIRE(::rename((folder.path() + "/home").c_str(), other_folder.c_str()) == 0);
    say(moved, moving, std::string(100, 'x'));
    say(moved, moving, "after");
    CHECK(content(other_folder + "/up.log") == "after");
    CHECK(content(other_folder + "/up.log.1").size() == 107);

    // What is nobody's log by its name, or is not appended to, stays as it is.
    const std::string other = folder.path() + "/out.txt";
    const auto other_fd = open(other);
    LogFile third(other_fd.get(), 10);
    say(third, other_fd, "longer than ten bytes");
    say(third, other_fd, " and more");
    CHECK(content(other) == "longer than ten bytes and more");
}
