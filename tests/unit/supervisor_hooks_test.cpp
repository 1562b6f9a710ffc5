#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// Hooks, health, what is missing, and ends that are no exit.

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;
using Catch::Matchers::Contains;
using std::chrono::seconds;

namespace {

AppSpec tidy(RestartPolicy policy = RestartPolicy::OnFailure) {
    AppSpec spec = spec_with(policy);
    spec.post_stop = "rm -f lock";
    return spec;
}

Lab running(AppSpec spec) {
    Lab lab(std::move(spec));
    lab.start();
    lab.spawned();
    return lab;
}

Input without(Event event, const std::string& need) {
    Input input;
    input.event = event;
    input.needs_met = false;
    input.missing = need;
    return input;
}

}  // namespace

TEST_CASE("post_stop runs once the end of the run is stored, and then the app rests") {
    Lab lab = running(tidy());
    lab.say(Event::Stop);
    CHECK(lab.ended(killed_by(SIGTERM)).run_ended);
    CHECK(lab.state() == State::Storing);
    CHECK(public_state(lab.state()) == AppState::Stopping);
    CHECK(lab.no_pending_deadline());
    CHECK(lab.machine.generation() == 1);
    CHECK(lab.say(Event::RunStored, "").hook);
    CHECK(lab.state() == State::Cleaning);
    CHECK(public_state(lab.state()) == AppState::Stopping);
    CHECK(lab.machine.generation() == 2);
    CHECK_FALSE(lab.say(Event::RunStored, "").hook);  // once
    CHECK_FALSE(lab.spawned().changed);
    CHECK(lab.ended(code(0)).hook_ended);
    CHECK(lab.state() == State::Stopped);
    CHECK(lab.machine.reason() == "stopped by ann");
    CHECK(lab.status().exit == killed_by(SIGTERM));  // the run's, not the hook's
    CHECK(lab.no_pending_deadline());
    lab.start();
    CHECK(lab.machine.generation() == 3);
}

TEST_CASE("post_stop comes before a retry, whatever it exits with") {
    Lab lab = running(tidy());
    lab.ended(code(1));
    lab.say(Event::RunStored, "");
    lab.ended(code(99));
    CHECK(lab.state() == State::Backoff);
    CHECK_THAT(lab.machine.reason(), Contains("exited 1"));
    CHECK(lab.due().spawn);
}

TEST_CASE("a post_stop that lasts too long is killed") {
    Lab lab = running(tidy(RestartPolicy::Never));
    lab.ended(code(0));
    lab.say(Event::RunStored, "");
    CHECK(lab.due().kill);
    CHECK(lab.no_pending_deadline());
    lab.ended(killed_by(SIGKILL));
    CHECK(lab.state() == State::Exited);
}

TEST_CASE("a kill ends the hook, a start waits for it") {
    Lab lab = running(tidy());
    lab.ended(code(1));
    CHECK_FALSE(lab.say(Event::Kill).kill);  // not begun: nothing to kill
    CHECK(lab.state() == State::Stopped);

    lab = running(tidy());
    lab.ended(code(1));
    lab.say(Event::RunStored, "");
    CHECK(lab.say(Event::Kill).kill);
    lab.ended(killed_by(SIGKILL));
    CHECK(lab.state() == State::Stopped);

    lab = running(tidy());
    lab.ended(code(1));
    lab.say(Event::RunStored, "");
    lab.start();
    CHECK(lab.state() == State::Cleaning);
    lab.ended(code(0));
    CHECK(lab.state() == State::Waiting);
    CHECK(lab.say(Event::NeedsMet, "").spawn);
}

TEST_CASE("a hook is found again after a crash of the agent") {
    Lab lab = running(tidy());
    lab.ended(code(4));
    const auto before = lab.machine.memory();
    lab.say(Event::RunStored, "");
    const auto after = lab.machine.memory();

    SECTION("it runs, and memory knows of it") {
        lab.machine.recall(after, lab.now);
        lab.found_running(2, 7);
        CHECK(lab.state() == State::Cleaning);
        CHECK_FALSE(lab.status().pid);
        CHECK(lab.ended(code(0)).hook_ended);
        CHECK(lab.state() == State::Backoff);
    }
    SECTION("it was begun after the last commit") {
        lab.machine.recall(before, lab.now);
        lab.found_running(2, 7);
        CHECK(lab.state() == State::Cleaning);
        CHECK(lab.ended(code(0)).hook_ended);
    }
    SECTION("it has ended meanwhile") {
        lab.machine.recall(after, lab.now);
        CHECK(lab.found_ended(2, code(0)).hook_ended);
        CHECK(lab.state() == State::Backoff);
        CHECK(lab.status().exit == code(4));
    }
    SECTION("the run itself is dealt with, the hook is next") {
        lab.machine.recall(before, lab.now);
        CHECK(lab.machine.is_over(1));
        CHECK_FALSE(lab.found_ended(1, code(0)).run_ended);
        CHECK(lab.state() == State::Storing);
        CHECK(lab.say(Event::RunStored, "").hook);
    }
    SECTION("the start of the hook never arrived") {
        lab.machine.recall(after, lab.now);
        CHECK(lab.found_nothing().hook);
    }
}

TEST_CASE("a pre_start that lasts too long fails the run") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.pre_start = "sleep 1000";
    Lab lab(spec);
    lab.start();
    CHECK(lab.due().signal == SIGTERM);
    lab.ended(killed_by(SIGTERM));
    CHECK(lab.state() == State::Backoff);
    CHECK_THAT(lab.machine.reason(), Contains("hooks.pre_start did not end within 30 s"));
}

TEST_CASE("an unhealthy app is ended and the policy is asked, also when it then exits 0") {
    for (const auto policy : {RestartPolicy::Never, RestartPolicy::OnFailure}) {
        Lab lab = running(spec_with(policy));
        Input sick;
        sick.event = Event::Unhealthy;
        sick.problem = "unhealthy: GET / answered 503, 3 times in a row";
        CHECK(lab.feed(sick).signal == SIGTERM);
        CHECK(lab.state() == State::Stopping);
        lab.ended(code(0));
        CHECK(lab.state() == (policy == RestartPolicy::Never ? State::Failed : State::Backoff));
        CHECK_THAT(lab.machine.reason(), Contains("503, 3 times in a row"));
    }
}

TEST_CASE("the reason of an unhealthy end survives a crash of the agent") {
    Lab lab = running(spec_with(RestartPolicy::OnFailure));
    Input sick;
    sick.event = Event::Unhealthy;
    sick.problem = "unhealthy: no answer";
    lab.feed(sick);
    lab.machine.recall(lab.machine.memory(), lab.now);
    lab.ended(code(0));
    CHECK(lab.state() == State::Backoff);
    CHECK_THAT(lab.machine.reason(), Contains("unhealthy: no answer"));
}

TEST_CASE("a try is not spent while what it needs is away") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.restart.max_restarts = 2;
    Lab lab = running(spec);
    for (int i = 0; i < 10; ++i) {
        Input end = without(Event::LeaderEnded, "db");
        end.exit = code(1);
        lab.feed(end);
        REQUIRE(lab.state() == State::Waiting);
        CHECK_THAT(lab.machine.reason(), Contains("exited 1") && Contains("waiting for db"));
        CHECK(lab.no_pending_deadline());
        CHECK(lab.say(Event::NeedsMet, "").spawn);
        lab.spawned();
    }
    lab.ended(code(1));
    CHECK(lab.state() == State::Backoff);
}

TEST_CASE("a start that cannot work is not tried again") {
    Lab lab(tidy());
    lab.start();
    Input input;
    input.event = Event::SpawnFailed;
    input.problem = "user \"www\" does not exist";
    input.hopeless = true;
    lab.feed(input);
    CHECK(lab.state() == State::Failed);  // and no hook: nothing ran
    CHECK(lab.machine.reason() == "user \"www\" does not exist");
}

TEST_CASE("stop turns off the schedule of an app that rests, once") {
    AppSpec spec = spec_with(RestartPolicy::Never, AppKind::OneShot);
    spec.schedule.cron = "* * * * *";
    Lab lab = running(spec);
    lab.ended(code(0));
    CHECK(lab.state() == State::Exited);
    CHECK_FALSE(lab.say(Event::Stop).rejected);
    CHECK(lab.machine.held());
    CHECK(lab.state() == State::Stopped);
    CHECK(lab.say(Event::Stop).rejected);
    lab.start();
    CHECK_FALSE(lab.machine.held());
}

TEST_CASE("an end by signal can be a good one") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.restart.success_codes = {0, -SIGTERM};
    Lab lab = running(spec);
    lab.ended(killed_by(SIGTERM));
    CHECK(lab.state() == State::Exited);
    lab = running(spec);
    lab.ended(killed_by(SIGKILL));
    CHECK(lab.state() == State::Backoff);
}

TEST_CASE("an app may ask for more time while it starts or stops, not otherwise") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.ready.notify = true;
    Lab lab = running(spec);
    lab.machine.extend(seconds(100), lab.now);
    CHECK(lab.machine.deadline() == lab.now.mono + seconds(100));
    lab.machine.extend(seconds(1), lab.now);  // never less
    CHECK(lab.machine.deadline() == lab.now.mono + seconds(100));
    lab.say(Event::Ready, "");
    lab.machine.extend(seconds(100), lab.now);
    CHECK(lab.no_pending_deadline());
    lab.say(Event::Stop);
    lab.machine.extend(seconds(100), lab.now);
    CHECK(lab.machine.deadline() == lab.now.mono + seconds(100));
}
