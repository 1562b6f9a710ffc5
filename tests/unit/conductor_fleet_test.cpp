#include <signal.h>

#include <filesystem>
#include <future>

#include <catch2/catch.hpp>

#include "tests/unit/apps_world.h"

// Stories of several apps: what they need of each other, schedules, instances, and which there are.

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::test;  // NOLINT(google-build-using-namespace)
using backend::RunName;
using Catch::Matchers::Contains;
using Catch::Matchers::VectorContains;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

using Texts = std::vector<std::string>;

}  // namespace

// --- needs

TEST_CASE("what is required is started first, and waited for") {
    World world;
    world.load("db");
    world.load("web", "requires = [\"db\"]\n");
    REQUIRE(world.start("web"));
    CHECK(world.state("web") == AppState::Waiting);
    CHECK(world.backend.starts == std::vector<RunName>{{"db", 1}});
    CHECK(world.apps->awaited(world.app("web")) == Texts{"db is starting: started by ann for web"});
    world.exec("db");
    CHECK(world.state("web") == AppState::Waiting);
    world.advance(milliseconds(300));
    CHECK(world.state("db") == AppState::Running);
    CHECK(world.backend.starts == std::vector<RunName>{{"db", 1}, {"web", 1}});
}

TEST_CASE("a requirement that failed for good lets others wait in vain") {
    World world;
    world.load("db", "[restart]\npolicy = \"never\"\n");
    world.load("web", "requires = [\"db\"]\n");
    REQUIRE(world.start("web"));
    world.exec("db");
    const auto waits_in_vain = [&world] {
        return world.apps->conductor().needs().waits_in_vain(world.app("web").spec());
    };
    CHECK_FALSE(waits_in_vain());
    world.end("db", 1);
    CHECK(waits_in_vain());
    CHECK(world.state("web") == AppState::Waiting);
}

TEST_CASE("a job that is required has to end well, since the home was brought up") {
    World world;
    world.load("migrate", "type = \"oneshot\"\n");
    world.load("web", "requires = [\"migrate\"]\n");
    REQUIRE(world.start("web"));
    world.exec("migrate");
    world.end("migrate");
    CHECK(world.backend.last_of("web") == RunName{"web", 1});
    world.backend.session.id = "session-2";  // `up` after a `down`
    world.backend.runs.clear();
    world.kill_agent();
    world.advance(seconds(1));
    world.begin_agent();
    world.backend.starts.clear();
    world.backend.say_snapshot();
    world.turn();
    CHECK_THAT(world.backend.starts, VectorContains(RunName{"migrate", 2}));
}

TEST_CASE("a cycle of requirements is refused, and nothing of it is loaded") {
    World world;
    world.load("a", "requires = [\"b\"]\n");
    const Texts problems = world.load("b", "requires = [\"a\"]\n");
    CHECK(problems == Texts{"a cycle of requirements: b requires a requires b"});
    CHECK(world.apps->find("b") == nullptr);
}

TEST_CASE("an app that crashes while what it needs is down waits instead of trying") {
    World world;
    world.load("db", "[restart]\npolicy = \"never\"\n");
    world.load("web", "requires = [\"db\"]\n");
    world.run("db");
    world.run("web");
    world.end("db", 1);
    world.end("web", 1);
    CHECK(world.state("web") == AppState::Waiting);
    world.run("db");
    CHECK(world.backend.last_of("web") == RunName{"web", 2});
}

TEST_CASE("the end of the agent stops what others need last, and is told once") {
    World world;
    world.load("db");
    world.load("web", "requires = [\"db\"]\n");
    world.run("db");
    world.run("web");
    world.apps->conductor().shut_down();
    world.turn();
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"web", 1}, SIGTERM}});
    CHECK(world.start("db").error().message == "the agent is stopping");
    world.end("web");
    CHECK(world.backend.signals.back() == FakeBackend::Signal{{"db", 1}, SIGTERM});
    CHECK(world.all_down == 0);
    world.end("db");
    world.turn();
    CHECK(world.all_down == 1);
    CHECK(world.app("web").machine.desired() == Desired::Running);
}

// --- schedules

TEST_CASE("an app with a schedule is started when it is due") {
    World world;
    world.load("job",
               "type = \"oneshot\"\n[schedule]\ncron = \"*/10 * * * *\"\ntimezone = \"UTC\"\n");
    CHECK(world.status("job").next_run == world.wall() + minutes(10));
    world.advance(minutes(10) + seconds(1));
    world.apps->schedules().look();
    world.turn();
    CHECK(world.backend.starts == std::vector<RunName>{{"job", 1}});
    CHECK(world.reason("job") == "started by its schedule");
}

TEST_CASE("a run that is due while the one before runs is skipped, queued, or in its place") {
    const std::string overlap = GENERATE("skip", "queue", "kill");
    World world;
    world.load("job",
               "type = \"oneshot\"\n[schedule]\ncron = \"*/10 * * * *\"\ntimezone = \"UTC\"\n"
               "overlap = \"" +
                   overlap + "\"\n");
    world.run("job");
    world.happened();
    world.advance(minutes(10) + seconds(1));
    world.apps->schedules().look();
    world.turn();
    CHECK(world.backend.starts.size() == 1);
    if (overlap == "skip") {
        CHECK_THAT(world.happened().at(0), Contains("was skipped, the one before still runs"));
    } else if (overlap == "queue") {
        CHECK_THAT(world.happened().at(0), Contains("waits for the end of the one before"));
    } else {
        CHECK(world.backend.signals.size() == 1);
    }
    world.end("job");
    world.turn();
    CHECK(world.backend.starts.size() == (overlap == "skip" ? 1 : 2));
}

TEST_CASE("what fell due while nobody was there is told, not made up for") {
    World world;
    world.load("job",
               "type = \"oneshot\"\n[schedule]\ncron = \"*/10 * * * *\"\ntimezone = \"UTC\"\n");
    world.kill_agent();
    world.advance(minutes(35));
    world.begin_agent();
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.backend.starts.empty());
    CHECK_THAT(world.happened().back(), Contains("job: 3 runs were missed while the agent"));
}

TEST_CASE("a stop turns a schedule off until somebody starts the app") {
    World world;
    world.load("job",
               "type = \"oneshot\"\n[schedule]\ncron = \"*/10 * * * *\"\ntimezone = \"UTC\"\n");
    REQUIRE(world.stop("job"));
    CHECK_FALSE(world.status("job").next_run);
    world.advance(minutes(11));
    world.apps->schedules().look();
    world.turn();
    CHECK(world.backend.starts.empty());
    REQUIRE(world.start("job"));
    CHECK(world.status("job").next_run);
}

// --- instances

TEST_CASE("scaling up starts new ones when the others are wanted") {
    World world;
    world.load("web", "instances = 1\n");
    world.run("web.1");
    const auto changed = world.apps->catalog().scale("web", 3, {"ann"});
    REQUIRE(changed);
    world.turn();
    CHECK(*changed == Texts{"web.2", "web.3"});
    CHECK(world.backend.starts == std::vector<RunName>{{"web.1", 1}, {"web.2", 1}, {"web.3", 1}});
    world.restart_agent();
    CHECK(world.apps->table().instances_of("web") == Texts{"web.1", "web.2", "web.3"});
}

TEST_CASE("scaling down stops those that are too many, and forgets them when they are down") {
    World world;
    world.load("web", "instances = 2\n");
    world.run("web.1");
    world.run("web.2");
    world.happened();
    REQUIRE(world.apps->catalog().scale("web", 1, {"ann"}));
    world.turn();
    CHECK(world.state("web.2") == AppState::Stopping);
    world.end("web.2");
    CHECK(world.apps->find("web.2") == nullptr);
    CHECK_THAT(world.happened(), VectorContains(std::string("web.2: removed")));
    CHECK(world.store->apps().load()->size() == 1);
}

TEST_CASE("what declares no instances cannot be scaled") {
    World world;
    world.load("web");
    CHECK(world.apps->catalog().scale("web", 2, {"ann"}).error().code == ErrorCode::WrongState);
    CHECK(world.apps->catalog().scale("nobody", 2, {"ann"}).error().code == ErrorCode::NotFound);
}

// --- descriptors

TEST_CASE(
    "a changed descriptor is seen, read when somebody says so, and runs from the next start") {
    World world;
    world.load("web");
    world.run("web");
    world.home.write("web.toml", "[app]\nid = \"web\"\ncommand = \"/bin/web --fast\"\n");
    world.look_at_descriptor("web");
    CHECK_THAT(world.status("web").descriptor_note,
               Contains("(app.command) and is not read yet: berth restart --reload web"));
    const auto said = world.reload("web");
    REQUIRE(said);
    CHECK(*said == "changed: app.command; app.command from the next start on: berth restart web");
    CHECK(world.status("web").descriptor_note.empty());
    CHECK(world.status("web").changed_on_disk);
    REQUIRE(world.apps->conductor().restart("web", {"ann"}));
    world.end("web");
    CHECK_FALSE(world.status("web").changed_on_disk);
    CHECK(world.app("web").running_spec->command == "/bin/web --fast");
}

TEST_CASE("a descriptor that breaks leaves what was read, and hurts nobody else") {
    World world;
    world.load("web");
    world.load("db");
    world.home.write("web.toml", "[app]\nid = \"web\"\ncommand = 7\n");
    CHECK_FALSE(world.reload("web"));
    CHECK(world.app("web").spec().command == "/bin/web");
    world.restart_agent();
    CHECK(world.state("db") == AppState::Stopped);
    CHECK(world.app("web").spec().command == "/bin/web");
}

TEST_CASE("an id belongs to the file that it was loaded from") {
    World world;
    world.load("web");
    world.home.write("other.toml", "[app]\nid = \"web\"\ncommand = \"/bin/other\"\n");
    apps::LoadRequest request;
    request.paths = {world.home / "other.toml"};
    request.cwd = world.home.path();
    const auto loaded = world.load(request);
    REQUIRE(loaded.problems.size() == 1);
    CHECK_THAT(loaded.problems[0], Contains("\"web\" is already registered, from "));
    CHECK(world.app("web").spec().command == "/bin/web");
}

TEST_CASE("what lies in repos is found, and forgotten when its folder is taken away") {
    World world;
    std::filesystem::create_directories(world.home / "repos/shop");
    world.home.write("repos/shop/berth.toml", "[app]\nid = \"shop\"\ncommand = \"/bin/shop\"\n");
    std::filesystem::create_directories(world.home / "repos/broken");
    world.home.write("repos/broken/berth.toml", "[app]\nid = 5\n");
    const auto scanned = world.scan();
    CHECK(scanned.found == Texts{"shop"});
    CHECK(scanned.problems.size() >= 1);
    CHECK(world.apps->complaints() == scanned.problems);
    world.turn();
    std::filesystem::remove_all(world.home / "repos/shop");
    world.restart_agent();
    CHECK(world.apps->find("shop") == nullptr);
}

TEST_CASE(
    "an app that runs is not cleaned, and one that is down goes with all that was known of it") {
    World world;
    world.load("web");
    world.run("web");
    CHECK(world.apps->catalog().clean("web", {"ann"}).error().message == "must be inactive");
    world.end("web", 3);
    REQUIRE(world.stop("web"));
    std::filesystem::create_directories(world.home / "logs/web");
    world.happened();
    REQUIRE(world.apps->catalog().clean("web", {"ann"}));
    world.turn();
    CHECK(world.happened() == Texts{"web: cleaned by ann", "web: removed"});
    CHECK_FALSE(std::filesystem::exists(world.home / "logs/web"));
    CHECK(world.store->apps().load()->empty());
    CHECK(world.stored_ends("web").empty());
    CHECK(world.store->history().crash_groups("web").empty());
}

TEST_CASE("a descriptor that could not be read in time is read again when somebody looks") {
    World world;
    world.load("web");
    std::promise<void> released;
    REQUIRE(world.pool.post(loop::WorkerPool::Lane::Short,
                            [hung = released.get_future().share()] { hung.wait(); }));
    bool looked = false;
    world.apps->catalog().look_at_descriptors({"web"}, [&looked] { looked = true; });
    world.advance(seconds(11));
    REQUIRE(looked);
    CHECK(world.status("web").descriptor_note.find("cannot be read") != std::string::npos);
    released.set_value();
    world.look_at_descriptor("web");
    CHECK(world.status("web").descriptor_note.empty());
}

TEST_CASE("the event of an app that was cleaned does not say that it failed") {
    World world;
    world.load("web", "[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.end("web", 1);
    REQUIRE(world.state("web") == AppState::Failed);
    REQUIRE(world.apps->catalog().clean("web", {"ann"}));
    world.turn();
    const auto events = world.store->history().last_events(1);
    REQUIRE(events.size() == 1);
    CHECK(events.front().text == "cleaned by ann");
    CHECK(events.front().state == AppState::Stopped);
}

TEST_CASE("a descriptor that changes behind the back of a reload is seen to be changed") {
    World world;
    world.load("web");
    bool reread = false;
    world.apps->catalog().reload(
        "web", {"ann"}, [&reread](const auto& /*changed*/) { reread = true; });
    std::promise<void> read;  // the pool has one thread: it comes after the reload
    REQUIRE(world.pool.post(loop::WorkerPool::Lane::Short, [&read] { read.set_value(); }));
    read.get_future().wait();
    world.home.write("web.toml", "[app]\nid = \"web\"\ncommand = \"/bin/other\"\n");
    world.until([&reread] { return reread; });
    world.look_at_descriptor("web");
    CHECK_THAT(world.status("web").descriptor_note, Contains("was changed (app.command)"));
}
