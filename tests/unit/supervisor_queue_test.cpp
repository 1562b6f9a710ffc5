#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// A backend that may keep a run in its queue for hours.

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;
using Catch::Matchers::Contains;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

const std::vector<State> kDown = {
    State::Stopped, State::Waiting, State::Backoff, State::Exited, State::Failed};

// As the agent after a crash knows an app that it wants to run.
Lab remembered(State state, Desired desired = Desired::Running) {
    Lab lab(spec_with(RestartPolicy::OnFailure));
    Machine::Memory memory;
    memory.state = state;
    memory.desired = desired;
    memory.generation = 5;
    memory.reason = "started by ann";
    memory.actor = "ann";
    memory.started = lab.now.wall - seconds(60);
    lab.machine.recall(memory, lab.now);
    return lab;
}

}  // namespace

TEST_CASE("a run in a queue waits without a deadline, and says for what") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.pre_start = "prepare";  // that has one, as long as the Start is on its way
    Lab lab(spec);
    lab.start();
    REQUIRE(lab.machine.deadline());
    CHECK(lab.queued().changed);
    CHECK(lab.state() == State::Queued);
    CHECK(lab.status().state == AppState::Waiting);
    CHECK(lab.machine.reason() == "started by ann, waiting for the queue: Resources");
    CHECK(lab.no_pending_deadline());
    CHECK_FALSE(lab.machine.active());
    CHECK(lab.machine.occupied());
    CHECK_FALSE(lab.machine.is_down());
    CHECK_FALSE(lab.machine.is_over(1));

    const WallTime since = lab.status().since;
    lab.advance(hours(2));
    CHECK_FALSE(lab.queued().changed);  // nothing new
    CHECK(lab.queued("the queue: Priority").changed);
    CHECK(lab.machine.reason() == "started by ann, waiting for the queue: Priority");
    CHECK(lab.status().since == since);

    lab.spawned(77);
    CHECK(lab.state() == State::Running);
    CHECK(lab.machine.pid() == 77);
    CHECK(lab.machine.reason() == "started by ann");
}

TEST_CASE("a run that leaves the queue is waited for until it is ready") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.ready.notify = true;
    Lab lab(spec);
    lab.start();
    lab.queued();
    lab.spawned();
    CHECK(lab.state() == State::Starting);
    CHECK(lab.machine.deadline());
    CHECK(lab.machine.reason() == "started by ann, not ready yet");
}

TEST_CASE("a run that ends in the queue asks the policy") {
    Lab refused = lab_in(State::Queued);
    CHECK(refused.spawn_failed("the queue: the account is over its limit").run_ended);
    CHECK(refused.state() == State::Backoff);
    CHECK_THAT(refused.machine.reason(), Contains("over its limit"));

    Lab quick = lab_in(State::Queued);  // it ran between two looks at the queue
    CHECK(quick.ended(code(0)).run_ended);
    CHECK(quick.state() == State::Exited);

    Lab rest = lab_in(State::Queued);
    CHECK(rest.ended(code(1), /*tree_gone=*/false).signal == SIGTERM);
    CHECK(rest.state() == State::Reaping);
}

TEST_CASE("who asks for its end takes it out of the queue") {
    Lab stopped = lab_in(State::Queued);
    CHECK(stopped.say(Event::Stop).signal == SIGTERM);
    CHECK(stopped.state() == State::Stopping);
    CHECK(stopped.machine.reason() == "stopping, asked by ann");
    CHECK(stopped.due().kill);
    CHECK_FALSE(stopped.queued().changed);  // said too late
    stopped.ended(killed_by(SIGTERM));
    CHECK(stopped.state() == State::Stopped);
    CHECK(stopped.machine.held());

    Lab killed = lab_in(State::Queued);
    CHECK(killed.say(Event::Kill).kill);
    CHECK(killed.state() == State::Killing);

    Lab again = lab_in(State::Queued);
    CHECK(again.say(Event::Restart).signal == SIGTERM);
    again.ended(killed_by(SIGTERM));
    CHECK(again.state() == State::Waiting);
    CHECK(again.say(Event::NeedsMet, "").spawn);
    CHECK(again.machine.generation() == 2);
    again.queued();
    CHECK(again.machine.reason() == "restarted by ann, waiting for the queue: Resources");

    Lab started = lab_in(State::Queued);
    CHECK_FALSE(started.start().rejected);  // as one that waits for what it requires
    CHECK(started.state() == State::Queued);
}

TEST_CASE("the queue is news to a run that is being started alone") {
    for (std::size_t s = 0; s < kStateCount; ++s) {
        const auto state = static_cast<State>(s);
        INFO(kStateNames.name(state));
        Lab lab = lab_in(state);
        const bool starting = state == State::Spawning || state == State::Queued;
        CHECK(lab.queued("other words").changed == starting);
        CHECK(lab.state() == (starting ? State::Queued : state));
    }
}

TEST_CASE("a run is found in the queue after a crash of the agent") {
    for (const State state : {State::Spawning, State::Queued, State::Starting, State::Running}) {
        INFO(kStateNames.name(state));
        Lab lab = remembered(state);
        lab.found_queued(5);
        CHECK(lab.state() == State::Queued);
        CHECK(lab.machine.generation() == 5);
        CHECK(lab.machine.reason() == "started by ann, waiting for the queue: Resources");
        CHECK(lab.no_pending_deadline());
        lab.spawned();
        CHECK(lab.state() == State::Running);
    }
    Lab same = remembered(State::Spawning);
    same.found_queued(5);
    CHECK_FALSE(same.found_queued(5).changed);
    CHECK_FALSE(same.found_queued(4).changed);  // of a run that is over
    CHECK(same.machine.generation() == 5);
}

// It was taken for one that the agent knew already: it stayed in Starting, without a deadline.
TEST_CASE("a run without a pid, on another machine, is taken over after a crash of the agent") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.ready.notify = true;
    Lab before(spec);
    before.start();
    Input input;
    input.event = Event::Spawned;
    before.feed(input);
    REQUIRE(before.state() == State::Starting);
    CHECK_FALSE(before.machine.pid());

    Lab after(spec);
    after.now = before.now;
    after.machine.recall(before.machine.memory(), after.now);
    input.event = Event::FoundRunning;
    input.generation = 1;
    input.started = before.now.wall;
    CHECK(after.feed(input).changed);
    CHECK(after.state() == State::Starting);
    CHECK(after.machine.deadline());
    CHECK_FALSE(after.feed(input).changed);  // the second time it is known
}

TEST_CASE("a run in the queue that memory does not know is taken over, or out when unwanted") {
    for (const State state : kDown) {
        INFO(kStateNames.name(state));
        Lab wanted = remembered(state);
        CHECK(wanted.found_queued(6).changed);
        CHECK(wanted.state() == State::Queued);
        CHECK(wanted.machine.generation() == 6);
        CHECK(wanted.machine.reason() == "found, waiting for the queue: Resources");

        Lab unwanted = remembered(state, Desired::Stopped);
        CHECK(unwanted.found_queued(6).signal == SIGTERM);
        CHECK(unwanted.state() == State::Stopping);
        unwanted.ended(killed_by(SIGTERM));
        CHECK(unwanted.state() == State::Stopped);
    }
}

TEST_CASE("a run found in the queue while it is being ended is ended again") {
    Lab stopping = remembered(State::Stopping, Desired::Stopped);
    CHECK(stopping.found_queued(5).signal == SIGTERM);
    CHECK(stopping.state() == State::Stopping);
    CHECK(stopping.machine.deadline());
    Lab killing = remembered(State::Killing, Desired::Stopped);
    CHECK(killing.found_queued(5).kill);
    CHECK(killing.state() == State::Killing);
    CHECK(killing.no_pending_deadline());
}
