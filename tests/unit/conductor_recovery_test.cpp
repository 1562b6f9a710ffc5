#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/unit/apps_world.h"

// Stories of what goes wrong around the apps: the agent dies, the machine boots, the disk is full,
// the backend is away, or lets a run wait for hours.

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::test;  // NOLINT(google-build-using-namespace)
using backend::RunName;
using Catch::Matchers::Contains;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

using Texts = std::vector<std::string>;

}  // namespace

// --- the agent was away

TEST_CASE("what ran when the agent died is taken over, and not started again") {
    World world;
    world.load("web");
    world.run("web");
    world.restart_agent();
    CHECK(world.state("web") == AppState::Running);
    CHECK(world.status("web").pid == 100);
    CHECK(world.backend.starts.size() == 1);
    CHECK(world.backend.signals.empty());
}

TEST_CASE("an end that nobody heard counts once, and is forgotten when it is stored") {
    World world;
    world.load("web");
    world.run("web");
    world.kill_agent();
    world.backend.end("web", {ExitKind::Code, 4, false}, true, /*heard=*/false);
    world.begin_agent();
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.state("web") == AppState::Backoff);
    CHECK(world.stored_ends("web") == Texts{"exited 4"});
    CHECK(world.backend.forgotten == std::vector<RunName>{{"web", 1}});
    world.restart_agent();
    CHECK(world.stored_ends("web").size() == 1);
    world.advance(seconds(2));
    CHECK(world.backend.starts == std::vector<RunName>{{"web", 1}, {"web", 2}});
}

TEST_CASE("an end that was heard but not stored is heard again") {
    World world;
    world.load("web", "[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.backend.end("web", {ExitKind::Code, 4, false});
    world.kill_agent();  // before the end of the turn
    CHECK(world.backend.knows("web"));
    world.begin_agent();
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.state("web") == AppState::Failed);
    CHECK(world.stored_ends("web") == Texts{"exited 4"});
}

TEST_CASE("a start that was never heard is said again, under the same name") {
    World world;
    world.load("web");
    REQUIRE(world.start("web"));
    world.backend.runs.clear();  // it was lost on its way
    world.restart_agent();
    CHECK(world.backend.starts == std::vector<RunName>{{"web", 1}, {"web", 1}});
    world.exec("web");
    world.advance(milliseconds(300));
    CHECK(world.state("web") == AppState::Running);
}

TEST_CASE("a start whose fact is still to come is waited for") {
    World world;
    world.load("web");
    REQUIRE(world.start("web"));
    world.restart_agent();
    CHECK(world.backend.starts.size() == 1);
    world.exec("web");
    CHECK(world.status("web").pid == 100);
}

TEST_CASE("a run of which the backend knows nothing has ended, nobody knows how") {
    World world;
    world.load("web", "[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.backend.runs.clear();
    world.restart_agent();
    CHECK(world.state("web") == AppState::Failed);
    CHECK(world.status("web").exit->kind == ExitKind::Unknown);
}

TEST_CASE("a oneshot whose end nobody saw is not run again, and what requires it does not start") {
    World world;
    world.load("job", "type = \"oneshot\"\n");
    world.load("web", "requires = [\"job\"]\n");
    REQUIRE(world.start("web"));
    world.exec("job");
    world.backend.runs.clear();
    world.restart_agent();
    world.advance(minutes(5));
    CHECK(world.state("job") == AppState::Failed);
    CHECK(world.state("web") == AppState::Waiting);
    CHECK(world.backend.starts == std::vector<RunName>{{"job", 1}});
    REQUIRE(world.start("job"));
    world.exec("job");
    world.end("job");
    CHECK(world.backend.starts.back() == RunName{"web", 1});
}

TEST_CASE("a oneshot whose unseen end counts as a success is done") {
    World world;
    world.load("job", "type = \"oneshot\"\n[restart]\nunknown = \"success\"\n");
    world.load("web", "requires = [\"job\"]\n");
    REQUIRE(world.start("web"));
    world.exec("job");
    world.backend.runs.clear();
    world.restart_agent();
    CHECK(world.state("job") == AppState::Exited);
    CHECK(world.backend.starts.back() == RunName{"web", 1});
}

TEST_CASE("a run that the store does not know of is ended and forgotten") {
    World world;
    backend::RunFact stray;
    stray.run = {"stranger", 3};
    stray.pid = 999;
    world.backend.runs[stray.run] = stray;
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"stranger", 3}, SIGKILL}});
    CHECK(world.backend.forgotten == std::vector<RunName>{{"stranger", 3}});
}

TEST_CASE("a stop that was under way goes on after the agent") {
    World world;
    world.load("web");
    world.run("web");
    REQUIRE(world.stop("web"));
    world.backend.signals.clear();
    world.restart_agent();
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"web", 1}, SIGTERM}});
    world.end("web");
    CHECK(world.state("web") == AppState::Stopped);
}

TEST_CASE("a crash that was not written down yet is written down by the next agent") {
    World world;
    world.load("web", "[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.backend.end("web", {ExitKind::Code, 9, false});
    world.apps->end_turn();  // stored, with the crash that is due
    world.kill_agent();
    CHECK(world.store->history().crashes("web", 9).empty());
    world.begin_agent();
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.store->history().crashes("web", 9).size() == 1);
}

TEST_CASE("numbers of events go on after the agent, in another epoch") {
    World world;
    world.load("web");
    world.run("web");
    const std::uint64_t last = world.apps->stream().last();
    const std::uint64_t epoch = world.apps->stream().epoch();
    world.kill_agent();
    world.advance(seconds(1));
    world.begin_agent();
    CHECK(world.apps->stream().last() <= last);
    CHECK(world.apps->stream().last() == world.store->history().last_event());
    CHECK(world.apps->stream().epoch() != epoch);
}

// --- the begin of a home

TEST_CASE("after a boot nothing is taken for alive, and what is to run is started") {
    World world;
    world.load("web");
    world.load("idle", "autostart = false\n");
    world.run("web");
    world.run("idle");
    world.kill_agent();
    world.backend.session = {"boot-2", "session-2"};
    world.begin_agent();
    world.backend.say_snapshot();  // records of the boot before
    world.turn();
    CHECK_FALSE(world.backend.knows("idle"));
    CHECK(world.state("idle") == AppState::Stopped);
    CHECK(world.reason("idle") == "ended when this machine was shut down");
    CHECK(world.backend.runs.size() == 1);
    CHECK(world.backend.last_of("web") == RunName{"web", 2});
}

TEST_CASE("what somebody stopped is not started by the begin of the home") {
    World world;
    world.load("web");
    world.run("web");
    REQUIRE(world.stop("web"));
    world.end("web");
    world.backend.session.id = "session-2";
    world.restart_agent();
    CHECK(world.backend.starts.size() == 1);
}

TEST_CASE("an agent that comes back to the same session starts nothing by itself") {
    World world;
    world.load("web");
    world.restart_agent();
    CHECK(world.backend.starts.empty());
}

// --- the disk is full

TEST_CASE("with a full disk apps go on, and their ends are kept until they are stored") {
    World world;
    world.load("web");
    world.run("web");
    world.store->turn().database().refuse_writes(true);
    world.end("web", 1);
    CHECK(world.state("web") == AppState::Backoff);
    CHECK(world.backend.forgotten.empty());
    world.advance(seconds(2));
    world.exec("web");
    CHECK(world.status("web").pid == 101);
    CHECK(world.backend.forgotten.empty());
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    CHECK(world.stored_ends("web") == Texts{"exited 1"});
    CHECK(world.backend.forgotten == std::vector<RunName>{{"web", 1}});
    CHECK(world.store->history().crashes("web", 9).size() == 1);
}

TEST_CASE("with a full disk a hook waits until the end before it is stored") {
    World world;
    world.load("web", "[hooks]\npost_stop = \"clean-up\"\n");
    world.run("web");
    world.store->turn().database().refuse_writes(true);
    REQUIRE(world.stop("web"));
    world.end("web");
    world.advance(minutes(1));
    CHECK(world.backend.hooks.empty());
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    CHECK(world.backend.hooks.size() == 1);
}

TEST_CASE("what was cleaned while the disk was full stays cleaned") {
    World world;
    world.load("web");
    world.load("db");
    world.store->turn().database().refuse_writes(true);
    REQUIRE(world.apps->catalog().clean("web", {"ann"}));
    world.turn();
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    world.restart_agent();
    CHECK(world.apps->find("web") == nullptr);
    CHECK(world.apps->find("db") != nullptr);
}

TEST_CASE("events of a full disk are stored when there is room again") {
    World world;
    world.load("web");
    world.store->turn().database().refuse_writes(true);
    world.run("web");
    const std::uint64_t last = world.apps->stream().last();
    CHECK(world.store->history().last_event() < last);
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    const auto stored = world.store->history().events_of("web", 10);
    CHECK(std::any_of(stored.begin(), stored.end(), [](const auto& event) {
        return event.state == AppState::Running;
    }));
}

TEST_CASE("an app that was cleaned and loaded anew on a full disk has nothing of the one before") {
    World world;
    world.load("web", "[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.end("web", 1);
    world.advance(seconds(1));
    REQUIRE(world.stored_ends("web") == Texts{"exited 1"});
    world.store->turn().database().refuse_writes(true);
    REQUIRE(world.apps->catalog().clean("web", {"ann"}));
    world.turn();
    world.load("web");
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    CHECK(world.stored_ends("web").empty());
    CHECK(world.store->history().crashes("web", 9).empty());
}

TEST_CASE("with a full disk there are as many instances as somebody asked for") {
    World world;
    world.load("web", "instances = 2\n");
    REQUIRE(world.start("web.1"));
    world.store->turn().database().refuse_writes(true);
    REQUIRE(world.apps->catalog().scale("web", 4, {"ann"}));
    world.turn();
    CHECK(world.apps->table().instances_of("web").size() == 4);
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    world.restart_agent();
    CHECK(world.apps->table().instances_of("web").size() == 4);
    CHECK(world.store->settings().scale("web") == 4);
}

TEST_CASE("who was let in after a commit failed stays let in") {
    World world;
    world.load("web");
    world.store->turn().database().refuse_writes(true);
    world.run("web");
    world.store->turn().database().refuse_writes(false);
    world.store->settings().add_peer({"key", "panel", "admin"});
    world.turn();
    world.advance(seconds(3));
    CHECK(world.store->settings().peers().size() == 1);
}

TEST_CASE("a disk that refuses does not make a session another") {
    World world;
    world.load("job", "kind = \"oneshot\"\nautostart = true\n");
    REQUIRE(world.start("job"));
    world.exec("job");
    world.end("job");
    REQUIRE(world.state("job") == AppState::Exited);
    world.kill_agent();
    world.begin_agent();
    world.store->turn().database().refuse_writes(true);
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.state("job") == AppState::Exited);
    CHECK(world.backend.starts.size() == 1);
}

TEST_CASE("what is merely shown does not crowd out events that are still to be stored") {
    World world;
    world.load("web");
    world.store->turn().database().refuse_writes(true);
    world.run("web");
    for (int i = 0; i < 5000; ++i) {
        world.apps->conductor().shown("web");
    }
    world.turn();
    world.advance(minutes(90));
    world.apps->conductor().shown("web");
    world.turn();
    world.store->turn().database().refuse_writes(false);
    world.advance(seconds(3));
    const auto stored = world.store->history().events_of("web", 10);
    CHECK(std::any_of(stored.begin(), stored.end(), [](const auto& event) {
        return event.state == AppState::Running;
    }));
}

// --- the backend is away

TEST_CASE("what was asked for while the backend was away is done when it is back") {
    World world;
    world.load("web");
    world.load("db");
    world.run("db");
    world.backend.trouble = "the keeper does not answer";
    REQUIRE(world.start("web"));
    REQUIRE(world.stop("db"));
    world.backend.runs.erase({"web", 1});  // neither has arrived
    world.backend.signals.clear();
    world.backend.say_snapshot();
    world.turn();
    CHECK(world.backend.starts.back() == RunName{"web", 1});
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"db", 1}, SIGTERM}});
    CHECK(world.apps->backend().problem() == "the keeper does not answer");
}

TEST_CASE("a problem of the backend is told") {
    World world;
    world.backend.facts->problem_changed();
    CHECK(world.problems == 1);
}

TEST_CASE("late facts of an earlier run say nothing of the present one") {
    World world;
    world.load("web");
    world.run("web");
    world.end("web", 1);
    world.advance(seconds(2));
    world.exec("web");
    world.advance(milliseconds(300));
    REQUIRE(world.state("web") == AppState::Running);
    world.backend.facts->ended({"web", 1}, {{ExitKind::Code, 0, false}, world.wall(), true});
    world.backend.facts->tree_gone({"web", 1});
    world.turn();
    CHECK(world.state("web") == AppState::Running);
}

// --- the queue of a backend

TEST_CASE("a job in a queue waits for hours, says for what, and then runs") {
    World world;
    world.load("job", "[hooks]\npre_start = \"prepare\"\n");
    REQUIRE(world.start("job"));
    world.backend.queue("job", "the queue: Resources");
    world.turn();
    CHECK(world.state("job") == AppState::Waiting);
    CHECK_THAT(world.reason("job"), Contains("the queue: Resources"));
    world.advance(hours(2));
    CHECK(world.state("job") == AppState::Waiting);
    CHECK(world.backend.signals.empty());
    world.exec("job");
    world.advance(seconds(1));
    CHECK(world.state("job") == AppState::Running);
    CHECK(world.backend.starts.size() == 1);
}

TEST_CASE("a stop takes a job out of its queue") {
    World world;
    world.load("job");
    REQUIRE(world.start("job"));
    world.backend.queue("job", "the queue: Priority");
    world.turn();
    REQUIRE(world.stop("job"));
    REQUIRE(world.backend.signals.size() == 1);
    CHECK(world.backend.signals[0].run == RunName{"job", 1});
    world.end("job");
    CHECK(world.state("job") == AppState::Stopped);
    CHECK(world.backend.forgotten == std::vector<RunName>{{"job", 1}});
}

TEST_CASE("the end of the agent takes a job out of its queue, and waits for that") {
    World world;
    world.load("job");
    REQUIRE(world.start("job"));
    world.backend.queue("job", "the queue: Priority");
    world.turn();
    world.apps->conductor().shut_down();
    world.turn();
    REQUIRE(world.backend.signals.size() == 1);
    CHECK(world.backend.signals[0].run == RunName{"job", 1});
    CHECK(world.all_down == 0);
    world.end("job");
    world.turn();
    CHECK(world.all_down == 1);
    CHECK(world.app("job").machine.desired() == Desired::Running);
}

TEST_CASE("a job is still in its queue when the agent comes back") {
    World world;
    world.load("job");
    REQUIRE(world.start("job"));
    world.backend.queue("job", "the queue: Resources");
    world.turn();
    world.restart_agent();
    CHECK(world.state("job") == AppState::Waiting);
    CHECK(world.backend.starts.size() == 1);
    world.exec("job");
    world.advance(seconds(1));
    CHECK(world.state("job") == AppState::Running);
}

// --- the clock is set

TEST_CASE("a clock that is set moves what was, and nothing that is under way") {
    World world;
    world.load("web", "[stop]\ntimeout = \"10s\"\n");
    world.run("web");
    const auto started = world.status("web").started;
    REQUIRE(world.stop("web"));
    world.set_clock(hours(5));
    CHECK(world.status("web").started == *started + hours(5));
    world.advance(seconds(9));
    CHECK(world.backend.signals.size() == 1);
    world.advance(seconds(2));
    CHECK(world.backend.signals.back().number == SIGKILL);
}
