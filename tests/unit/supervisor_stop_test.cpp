#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// How runs are ended, and what follows.

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;
using std::chrono::seconds;

TEST_CASE("a stop sends the signal, waits, kills and is done when the tree is gone") {
    AppSpec spec = spec_with(RestartPolicy::Always);
    spec.stop.signal = SIGINT;
    spec.stop.timeout = seconds(7);
    Lab lab(spec);
    lab.start();
    lab.spawned();
    const Effects stop = lab.say(Event::Stop);
    CHECK(stop.signal == SIGINT);
    CHECK_FALSE(stop.kill);
    CHECK(lab.state() == State::Stopping);
    CHECK(lab.machine.desired() == Desired::Stopped);
    CHECK(lab.machine.held());
    CHECK(lab.machine.deadline().value() - lab.now.mono == seconds(7));
    lab.ended(code(0), /*tree_gone=*/false);
    CHECK(lab.state() == State::Stopping);
    CHECK(lab.machine.deadline());
    CHECK_FALSE(lab.last.run_ended);
    CHECK(lab.due().kill);
    CHECK(lab.state() == State::Killing);
    CHECK(lab.machine.reason() == "did not end within 7.0 s after SIGINT, killing its whole tree");
    CHECK(lab.no_pending_deadline());
    CHECK(lab.tree_gone().run_ended);
    CHECK(lab.state() == State::Stopped);
    CHECK(lab.machine.reason() == "stopped by ann");
    CHECK(lab.status().exit == code(0));
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("when the leader ends and its tree lives, the tree is ended first") {
    for (const bool stubborn : {false, true}) {
        Lab lab(spec_with(RestartPolicy::Always));
        lab.start();
        lab.spawned();
        const Effects ended = lab.ended(code(3), /*tree_gone=*/false);
        CHECK(lab.state() == State::Reaping);
        CHECK(ended.signal == SIGTERM);
        CHECK_FALSE(ended.run_ended);
        CHECK(lab.status().state == AppState::Stopping);
        if (stubborn) {
            CHECK(lab.due().kill);
            CHECK(lab.state() == State::Killing);
            CHECK(lab.no_pending_deadline());
        }
        CHECK(lab.tree_gone().run_ended);
        CHECK(lab.state() == State::Backoff);
        CHECK(lab.status().exit == code(3));
    }
}

TEST_CASE("what people say while a tree is being ended decides what follows") {
    Lab stop = lab_in(State::Reaping);
    stop.say(Event::Stop);
    stop.tree_gone();
    CHECK(stop.state() == State::Stopped);
    CHECK(stop.machine.held());
    CHECK(stop.no_pending_deadline());

    for (const Event event : {Event::Start, Event::Restart}) {
        for (const State from : {State::Stopping, State::Killing, State::Reaping}) {
            Lab lab = lab_in(from);
            CHECK_FALSE(lab.say(event).spawn);
            CHECK(lab.state() == from);
            lab.tree_gone();
            CHECK(lab.last.run_ended);
            CHECK_FALSE(lab.last.spawn);  // the run is stored first
            CHECK(lab.state() == State::Waiting);
            CHECK(lab.machine.desired() == Desired::Running);
            CHECK_FALSE(lab.machine.held());
            CHECK(lab.say(Event::NeedsMet).spawn);
            CHECK(lab.machine.generation() == 2);
            lab.spawned();
            CHECK(lab.state() == State::Running);
            CHECK(lab.no_pending_deadline());
        }
    }

    Lab mind = lab_in(State::Stopping);  // start, then stop again: the last word holds
    mind.say(Event::Start);
    mind.say(Event::Stop);
    mind.ended(code(0));
    CHECK(mind.state() == State::Stopped);
    CHECK(mind.no_pending_deadline());
}

TEST_CASE("a restart stops and starts") {
    Lab lab = lab_in(State::Running);
    CHECK(lab.say(Event::Restart).signal == SIGTERM);
    CHECK(lab.state() == State::Stopping);
    CHECK(lab.machine.desired() == Desired::Running);
    lab.ended(killed_by(SIGTERM));
    CHECK(lab.state() == State::Waiting);
    CHECK(lab.say(Event::NeedsMet).spawn);
    CHECK(lab.status().restarts == 0);
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("a stop in any phase of a start ends it") {
    Lab spawning = lab_in(State::Spawning);
    CHECK(spawning.say(Event::Stop).signal == SIGTERM);
    spawning.spawned();  // a late fact
    CHECK(spawning.state() == State::Stopping);
    spawning.ended(killed_by(SIGTERM));
    CHECK(spawning.state() == State::Stopped);

    Lab failed = lab_in(State::Spawning);
    failed.say(Event::Stop);
    CHECK(failed.spawn_failed().run_ended);
    CHECK(failed.state() == State::Stopped);
    CHECK(failed.no_pending_deadline());

    for (const State from : {State::Backoff, State::Waiting}) {
        Lab lab = lab_in(from);
        const Effects effects = lab.say(Event::Stop);
        CHECK_FALSE(effects.signal);
        CHECK_FALSE(effects.run_ended);
        CHECK(lab.state() == State::Stopped);
        CHECK(lab.machine.held());
        CHECK(lab.no_pending_deadline());
    }
}

TEST_CASE("a kill needs no grace") {
    for (const State from : {State::Spawning,
                             State::Starting,
                             State::Running,
                             State::Stopping,
                             State::Killing,
                             State::Reaping}) {
        Lab lab = lab_in(from);
        const Effects effects = lab.say(Event::Kill);
        CHECK(effects.kill);
        CHECK_FALSE(effects.signal);
        CHECK(lab.state() == State::Killing);
        CHECK(lab.machine.held());
        CHECK(lab.no_pending_deadline());
        lab.tree_gone();
        CHECK(lab.state() == State::Stopped);
        CHECK(lab.no_pending_deadline());
    }
}
