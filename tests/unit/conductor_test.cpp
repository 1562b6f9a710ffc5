#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/unit/apps_world.h"

// Stories of one home, told through requests, facts and the clock: what people ask for, and what
// comes of it.

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::test;  // NOLINT(google-build-using-namespace)
using backend::Effort;
using backend::RunName;
using Catch::Matchers::Contains;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

using Texts = std::vector<std::string>;

constexpr auto kNoSettle = "[ready]\nsettle = \"0s\"\n";

}  // namespace

// --- start

TEST_CASE("a start goes to the backend, and its fact makes it run") {
    World world;
    CHECK(world.load("web").empty());
    world.happened();
    REQUIRE(world.start("web"));
    CHECK(world.backend.starts == std::vector<RunName>{{"web", 1}});
    CHECK(world.backend.efforts.front() == Effort::Thorough);
    CHECK(world.state("web") == AppState::Starting);
    world.exec("web");
    CHECK(world.status("web").pid == 100);
    world.advance(milliseconds(300));
    CHECK(world.happened() == Texts{"web: stopped -> starting",
                                    "web: starting -> starting",
                                    "web: starting -> running"});
    CHECK(world.reason("web") == "started by ann");
}

TEST_CASE("a start of what is not there, or runs, is refused and changes nothing") {
    World world;
    CHECK(world.start("web").error().code == ErrorCode::NotFound);
    world.load("web");
    world.run("web");
    world.happened();
    const auto again = world.start("web");
    CHECK(again.error().code == ErrorCode::WrongState);
    CHECK(again.error().message == "must be inactive");
    CHECK(world.backend.starts.size() == 1);
    CHECK(world.happened().empty());
}

TEST_CASE("a start that cannot work says all that is wrong, and is not tried again") {
    World world;
    world.load("web");
    world.backend.obstacles = {{"user \"www\" does not exist"}, {"port 80 is taken", true}};
    REQUIRE(world.start("web"));
    CHECK(world.state("web") == AppState::Failed);
    CHECK(world.reason("web") == "user \"www\" does not exist; port 80 is taken");
    world.advance(hours(1));
    CHECK(world.backend.starts.empty());
}

TEST_CASE("an obstacle that may pass is tried again, quickly") {
    World world;
    world.load("web");
    world.backend.obstacles = {{"port 80 is taken", true}};
    REQUIRE(world.start("web"));
    CHECK(world.state("web") == AppState::Backoff);
    world.backend.obstacles.clear();
    world.advance(seconds(2));
    CHECK(world.backend.starts == std::vector<RunName>{{"web", 2}});
    CHECK(world.backend.efforts == std::vector<Effort>{Effort::Quick});
}

TEST_CASE("an exec that fails is stored as a run, and tried again") {
    World world;
    world.load("web");
    REQUIRE(world.start("web"));
    world.backend.fail_start("web", "cannot run \"/bin/web\": not found");
    world.turn();
    CHECK(world.state("web") == AppState::Backoff);
    CHECK_THAT(world.reason("web"), Contains("cannot run \"/bin/web\": not found"));
    CHECK(world.stored_ends("web") == Texts{"failed before exec"});
    CHECK(world.backend.forgotten == std::vector<RunName>{{"web", 1}});
}

// --- ends

TEST_CASE("an end is stored before the backend may forget it") {
    World world;
    world.load("web");
    world.run("web");
    world.backend.end("web");
    CHECK(world.backend.forgotten.empty());  // the turn is not over
    world.turn();
    CHECK(world.state("web") == AppState::Exited);
    CHECK(world.stored_ends("web") == Texts{"exited 0"});
    CHECK(world.backend.forgotten == std::vector<RunName>{{"web", 1}});
}

TEST_CASE("a crash is written down, and the app is started again") {
    World world;
    world.load("web");
    world.run("web");
    world.end("web", 3);
    CHECK(world.state("web") == AppState::Backoff);
    world.turn();
    const auto crashes = world.store->history().crashes("web", 10);
    REQUIRE(crashes.size() == 1);
    CHECK(crashes[0].generation == 1);
    CHECK_THAT(crashes[0].how, Contains("exited 3"));
    world.advance(seconds(2));
    CHECK(world.backend.last_of("web") == RunName{"web", 2});
    CHECK(world.app("web").crash_due == 0);
}

TEST_CASE("a budget of restarts comes to its end") {
    World world;
    world.load("web", "[restart]\nmax_restarts = 2\nwindow = \"10m\"\njitter = 0\n");
    REQUIRE(world.start("web"));
    for (int i = 0; i < 3; ++i) {
        REQUIRE(world.backend.knows("web"));
        world.exec("web");
        world.end("web", 1);
        world.advance(minutes(1));
    }
    CHECK(world.state("web") == AppState::Failed);
    CHECK_THAT(world.reason("web"), Contains("gave up after 2 restarts within 10 min"));
    CHECK(world.backend.starts.size() == 3);
}

TEST_CASE("starting, running and failed within one turn are three events") {
    World world;
    world.load("web", std::string(kNoSettle) + "[restart]\npolicy = \"never\"\n");
    world.happened();
    (void)world.apps->conductor().start("web", {"ann"});
    world.backend.exec("web");
    world.backend.end("web", {ExitKind::Code, 1, false});
    CHECK(world.happened() ==
          Texts{"web: stopped -> starting", "web: starting -> running", "web: running -> failed"});
    world.turn();
    const auto stored = world.store->history().last_events(10);
    CHECK(stored.back().sequence <= world.apps->stream().last());
    CHECK(stored.size() >= 4);  // loaded, and these
}

TEST_CASE("a tree that outlives its leader is ended before the policy is asked") {
    World world;
    world.load("web");
    world.run("web");
    world.end("web", 1, /*tree_gone=*/false);
    CHECK(world.state("web") == AppState::Stopping);
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"web", 1}, SIGTERM}});
    CHECK(world.backend.forgotten.empty());
    world.advance(seconds(11));
    CHECK(world.backend.signals.back() == FakeBackend::Signal{{"web", 1}, SIGKILL});
    world.backend.empty_tree("web");
    world.turn();
    CHECK(world.state("web") == AppState::Backoff);
    CHECK(world.stored_ends("web") == Texts{"exited 1"});
}

// --- stop

TEST_CASE("a stop signals the tree and waits for its end") {
    World world;
    world.load("web");
    world.run("web");
    REQUIRE(world.stop("web"));
    CHECK(world.state("web") == AppState::Stopping);
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"web", 1}, SIGTERM}});
    world.end("web");
    CHECK(world.state("web") == AppState::Stopped);
    CHECK(world.reason("web") == "stopped by ann");
    CHECK(world.app("web").machine.held());
    world.advance(hours(1));
    CHECK(world.backend.starts.size() == 1);
}

TEST_CASE("a stop that is not heeded becomes a kill") {
    World world;
    world.load("web", "[stop]\ntimeout = \"3s\"\n");
    world.run("web");
    REQUIRE(world.stop("web"));
    world.advance(seconds(2));
    CHECK(world.backend.signals.size() == 1);
    world.advance(seconds(2));
    CHECK(world.backend.signals.back() == FakeBackend::Signal{{"web", 1}, SIGKILL});
}

TEST_CASE("a deadline that passed while the backend hung counts from when it goes on") {
    World world;
    world.load("web", "[stop]\ntimeout = \"3s\"\n");
    world.run("web");
    REQUIRE(world.stop("web"));
    world.backend.answers_after = seconds(5);  // it hung so long
    world.advance(milliseconds(3100));
    CHECK(world.backend.signals.size() == 1);
    world.backend.answers_after = Duration::zero();
    world.advance(seconds(3));
    CHECK(world.backend.signals.back().number == SIGKILL);
}

TEST_CASE("a stop between two tries takes the next one away") {
    World world;
    world.load("web");
    world.run("web");
    world.end("web", 1);
    REQUIRE(world.state("web") == AppState::Backoff);
    REQUIRE(world.stop("web"));
    CHECK(world.state("web") == AppState::Stopped);
    CHECK_FALSE(world.app("web").machine.deadline());
    world.advance(minutes(5));
    CHECK(world.backend.starts.size() == 1);
}

TEST_CASE("a stop of a start that is under way ends it when it is there") {
    World world;
    world.load("web");
    REQUIRE(world.start("web"));
    REQUIRE(world.stop("web"));
    CHECK(world.state("web") == AppState::Stopping);
    world.backend.exec("web");  // it was done before the signal came
    world.turn();
    world.backend.end("web", {ExitKind::Signal, SIGTERM, false});
    world.turn();
    CHECK(world.state("web") == AppState::Stopped);
}

TEST_CASE("a stop of what is down is refused") {
    World world;
    world.load("web");
    CHECK(world.stop("web").error().message == "must be active");
}

TEST_CASE("a kill ends the whole tree at once") {
    World world;
    world.load("web");
    world.run("web");
    REQUIRE(world.apps->conductor().kill("web", {"ann"}));
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"web", 1}, SIGKILL}});
    world.backend.end("web", {ExitKind::Signal, SIGKILL, false});
    world.turn();
    CHECK(world.state("web") == AppState::Stopped);
    CHECK(world.store->history().crashes("web", 1).empty());
}

TEST_CASE("a stop command runs beside the run, then the signal follows") {
    World world;
    world.load("web", "[stop]\ncommand = \"web-ctl drain\"\n");
    world.run("web");
    REQUIRE(world.stop("web"));
    REQUIRE(world.backend.lines.size() == 1);
    CHECK(world.backend.lines[0].line == "web-ctl drain");
    CHECK(world.backend.lines[0].run == RunName{"web", 1});
    CHECK(world.backend.signals.empty());
    world.happened();
    world.backend.lines[0].done({backend::BesideResult::End::Failed, "web-ctl drain: exit code 1"});
    CHECK(world.backend.signals == std::vector<FakeBackend::Signal>{{{"web", 1}, SIGTERM}});
    CHECK(world.happened() ==
          Texts{"web: its stop command did not succeed: web-ctl drain: exit code 1"});
}

TEST_CASE("a stop command that answers when all is over signals nobody") {
    World world;
    world.load("web", "[stop]\ncommand = \"web-ctl drain\"\n");
    world.run("web");
    REQUIRE(world.stop("web"));
    world.end("web");
    world.backend.lines[0].done({backend::BesideResult::End::Succeeded, ""});
    CHECK(world.backend.signals.empty());
}

// --- restart

TEST_CASE("a restart stops what runs and starts it anew") {
    World world;
    world.load("web");
    world.run("web");
    REQUIRE(world.apps->conductor().restart("web", {"ann"}));
    world.turn();
    CHECK(world.backend.signals.size() == 1);
    CHECK(world.backend.starts.size() == 1);
    world.end("web");
    CHECK(world.backend.last_of("web") == RunName{"web", 2});
    world.exec("web");
    world.advance(milliseconds(300));
    CHECK(world.state("web") == AppState::Running);
}

TEST_CASE("a restart of what is down starts it") {
    World world;
    world.load("web");
    REQUIRE(world.apps->conductor().restart("web", {"ann"}));
    CHECK(world.backend.starts.size() == 1);
}

TEST_CASE("a stop during a restart has the last word") {
    World world;
    world.load("web");
    world.run("web");
    REQUIRE(world.apps->conductor().restart("web", {"ann"}));
    REQUIRE(world.stop("web"));
    world.end("web");
    world.advance(minutes(1));
    CHECK(world.state("web") == AppState::Stopped);
    CHECK(world.backend.starts.size() == 1);
}

// --- hooks

TEST_CASE("a post_stop hook runs when the end is stored, and knows how it was") {
    World world;
    world.load("web", "[hooks]\npost_stop = \"clean-up\"\n[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.backend.end("web", {ExitKind::Code, 7, false});
    CHECK(world.backend.hooks.empty());
    world.turn();
    REQUIRE(world.backend.hooks.size() == 1);
    CHECK(world.backend.hooks[0].line == "clean-up");
    CHECK(world.backend.hooks[0].variables == Texts{"BERTH_EXIT_CODE=7"});
    CHECK(world.backend.hooks[0].run == RunName{"web", 2});
    CHECK(world.backend.forgotten == std::vector<RunName>{{"web", 1}});
    world.exec("web");
    world.end("web");
    CHECK(world.state("web") == AppState::Failed);
    CHECK(world.backend.forgotten == std::vector<RunName>{{"web", 1}, {"web", 2}});
    CHECK(world.stored_ends("web") == Texts{"exited 7"});
}

TEST_CASE("a hook that cannot run is told, and holds nothing up") {
    World world;
    world.load("web", "[hooks]\npost_stop = \"clean-up\"\n[restart]\npolicy = \"never\"\n");
    world.run("web");
    world.happened();
    world.backend.hook_problem = "user \"www\" does not exist";
    world.end("web");
    CHECK(world.state("web") == AppState::Exited);
    CHECK_THAT(world.happened(),
               Catch::Matchers::VectorContains(
                   std::string("web: hooks.post_stop cannot run: user \"www\" does not exist")));
}

// --- checks

TEST_CASE("an app is ready when it says so, and not before") {
    World world;
    world.load("web", "[ready]\nnotify = true\n");
    REQUIRE(world.start("web"));
    world.exec("web");
    world.advance(seconds(5));
    CHECK(world.state("web") == AppState::Starting);
    CHECK(world.status("web").check == "it has not said READY=1");
    backend::Notified said;
    said.ready = true;
    said.status = "serving";
    world.backend.notify("web", said);
    world.turn();
    CHECK(world.state("web") == AppState::Running);
    CHECK(world.status("web").said == "serving");
}

TEST_CASE("an app that is not ready in time is ended, and fails") {
    World world;
    world.load("web", "[ready]\nnotify = true\ntimeout = \"5s\"\n");
    REQUIRE(world.start("web"));
    world.exec("web");
    world.advance(seconds(6));
    CHECK(world.state("web") == AppState::Stopping);
    world.end("web", 0);
    CHECK(world.state("web") == AppState::Backoff);
    CHECK_THAT(world.reason("web"), Contains("not ready after 5.0 s: it has not said READY=1"));
}

TEST_CASE("an app that asks for time gets it") {
    World world;
    world.load("web", "[ready]\nnotify = true\ntimeout = \"5s\"\n");
    REQUIRE(world.start("web"));
    world.exec("web");
    world.advance(seconds(4));
    backend::Notified said;
    said.extend = seconds(60);
    world.backend.notify("web", said);
    world.advance(seconds(50));
    CHECK(world.state("web") == AppState::Starting);
}

TEST_CASE("a ready check of a command is asked until it succeeds") {
    World world;
    world.load("web", "[ready]\nexec = \"web-ctl ping\"\n");
    REQUIRE(world.start("web"));
    world.exec("web");
    REQUIRE(world.backend.lines.size() == 1);
    world.backend.lines[0].done({backend::BesideResult::End::Failed, "web-ctl ping: exit code 1"});
    world.advance(seconds(1));
    CHECK(world.status("web").check == "web-ctl ping: exit code 1");
    REQUIRE(world.backend.lines.size() == 2);
    world.backend.lines[1].done(
        {backend::BesideResult::End::Succeeded, "web-ctl ping: exit code 0"});
    world.turn();
    CHECK(world.state("web") == AppState::Running);
}

TEST_CASE("an app whose health fails in a row is restarted") {
    World world;
    world.load("web", "[health]\nexec = \"web-ctl ping\"\ninterval = \"10s\"\nfailures = 2\n");
    world.run("web");
    for (std::size_t i = 0; i < 2; ++i) {
        world.advance(seconds(11));
        REQUIRE(world.backend.lines.size() == i + 1);
        world.backend.lines[i].done({backend::BesideResult::End::Failed, "web-ctl ping: no"});
        world.turn();
    }
    CHECK(world.state("web") == AppState::Stopping);
    world.end("web", 0);
    CHECK_THAT(world.reason("web"), Contains("unhealthy: web-ctl ping: no, 2 times in a row"));
    CHECK(world.state("web") == AppState::Backoff);
}

TEST_CASE("a health check that cannot be asked is no bad one") {
    World world;
    world.load("web", "[health]\nexec = \"web-ctl ping\"\ninterval = \"10s\"\nfailures = 1\n");
    world.run("web");
    world.advance(seconds(11));
    REQUIRE(world.backend.lines.size() == 1);
    world.backend.lines[0].done({backend::BesideResult::End::Unknown, "the backend was away"});
    world.turn();
    CHECK(world.state("web") == AppState::Running);
}

TEST_CASE("silence of a watchdog ends an app, unless it is the backend that was silent") {
    World world;
    world.load("web", "[health]\nwatchdog = \"5s\"\n");
    world.run("web");
    backend::Notified alive;
    alive.watchdog = true;
    world.advance(seconds(4));
    world.backend.notify("web", alive);
    world.advance(seconds(4));
    CHECK(world.state("web") == AppState::Running);
    world.backend.answers_after.reset();  // it does not answer: what the app says cannot be heard
    world.advance(seconds(10));
    CHECK(world.state("web") == AppState::Running);
    world.backend.say_snapshot();  // another backend took over
    world.backend.answers_after = Duration::zero();
    world.advance(seconds(4));
    CHECK(world.state("web") == AppState::Running);
    world.advance(seconds(2));
    CHECK(world.state("web") == AppState::Stopping);
}

// --- input, figures

TEST_CASE("input goes to what runs, and to nothing else") {
    World world;
    world.load("web");
    const auto refused =
        world.apps->conductor().input("web", "x", Duration::zero(), [](const auto&) {});
    CHECK(refused.error().message == "must be active");
    world.run("web");
    std::size_t taken = 0;
    REQUIRE(world.apps->conductor().input(
        "web", "hello", Duration::zero(), [&taken](const auto& result) { taken = result.taken; }));
    REQUIRE(world.backend.inputs.size() == 1);
    CHECK(world.backend.inputs[0].first == "hello");
    world.backend.inputs[0].second({5, std::nullopt});
    CHECK(taken == 5);
}

TEST_CASE("figures are those of the present run") {
    World world;
    world.load("web");
    world.run("web");
    world.apps->figures().sample(Duration::zero());
    CHECK(world.status("web").rss_bytes == 1'000'000);
    CHECK(world.apps->figures().untold() == std::set<std::string>{"web"});
    CHECK(world.apps->figures().untold().empty());
    world.end("web");
    CHECK_FALSE(world.status("web").rss_bytes);
    world.apps->figures().sample(Duration::zero());
    CHECK(world.apps->figures().untold().empty());
}
