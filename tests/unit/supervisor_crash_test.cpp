#include <signal.h>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// What the agent knows when it comes back after a crash, and what the keeper tells it then.

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;
using std::chrono::seconds;

namespace {

Machine::Memory memory_in(State state, Desired desired) {
    Machine::Memory memory;
    memory.state = state;
    memory.desired = desired;
    memory.generation = 5;
    memory.reason = "as it was";
    memory.since = WallTime(seconds(1000));
    memory.started = WallTime(seconds(1000));
    memory.restarts = 3;
    memory.attempt = 2;
    memory.last_pid = 42;
    return memory;
}

Lab recalled(const Machine::Memory& memory, AppSpec spec = spec_with(RestartPolicy::OnFailure)) {
    Lab lab(std::move(spec));
    lab.machine.recall(memory, lab.now);
    return lab;
}

const std::vector<State> kUnderWay = {State::Queued,
                                      State::Starting,
                                      State::Running,
                                      State::Stopping,
                                      State::Killing,
                                      State::Reaping};
const std::vector<State> kDown = {
    State::Stopped, State::Waiting, State::Exited, State::Failed, State::Backoff};

}  // namespace

TEST_CASE("memory and recall are inverse, and only backoff and a hook have a deadline then") {
    for (std::size_t s = 0; s < kStateCount; ++s) {
        const auto state = static_cast<State>(s);
        INFO(kStateNames.name(state));
        auto memory = memory_in(state, Desired::Running);
        memory.held = true;
        memory.exit = killed_by(9);
        memory.finished = WallTime(seconds(2000));
        const Lab lab = recalled(memory);
        const auto again = lab.machine.memory();
        CHECK(again.state == state);
        CHECK(again.desired == Desired::Running);
        CHECK(again.generation == 5);
        CHECK(again.since == memory.since);
        CHECK(again.reason == memory.reason);
        CHECK(again.restarts == 3);
        CHECK(again.attempt == 2);
        CHECK(again.last_pid == 42);
        CHECK(again.started == memory.started);
        CHECK(again.finished == memory.finished);
        CHECK(again.exit == memory.exit);
        CHECK(again.held);
        CHECK(lab.machine.deadline().has_value() ==
              (state == State::Backoff || state == State::Cleaning));
    }
    auto memory = memory_in(State::Stopping, Desired::Running);
    memory.start_after = true;
    CHECK(recalled(memory).machine.memory().start_after);
}

TEST_CASE("a run that goes on is taken over") {
    for (const State state : {State::Spawning,
                              State::Queued,
                              State::Running,
                              State::Waiting,
                              State::Backoff,
                              State::Exited,
                              State::Failed}) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        const Effects effects = lab.found_running(6, 4711, lab.now.wall - seconds(60));
        CHECK(lab.state() == State::Running);
        CHECK_FALSE(effects.spawn);
        CHECK_FALSE(effects.signal);
        CHECK_FALSE(effects.run_ended);
        CHECK(effects.changed);
        CHECK(lab.machine.generation() == 6);
        CHECK(lab.status().pid == 4711);
        CHECK(lab.status().started == lab.now.wall - seconds(60));
        CHECK(lab.no_pending_deadline());
        lab.ended(code(1));  // it had run for longer than reset_after: the delay starts anew
        CHECK(lab.machine.deadline().value() - lab.now.mono == seconds(1));
    }
}

TEST_CASE("a run that was being started goes on with its ready check") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.ready.notify = true;
    auto memory = memory_in(State::Starting, Desired::Running);
    memory.reason = "started by ann, not ready yet";
    Lab lab = recalled(memory, spec);
    lab.found_running(5, 4711);
    CHECK(lab.state() == State::Starting);
    CHECK(lab.machine.deadline());
    CHECK(lab.machine.reason() == "started by ann, not ready yet");
    lab.say(Event::Ready, "");
    CHECK(lab.state() == State::Running);
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("a run that was being stopped is told again, and one that is not wanted too") {
    for (const State state : {State::Stopping, State::Stopped, State::Exited, State::Failed}) {
        INFO(kStateNames.name(state));
        auto memory = memory_in(state, Desired::Stopped);
        Lab lab = recalled(memory);
        const Effects effects = lab.found_running(6, 4711);
        CHECK(lab.state() == State::Stopping);
        CHECK(effects.signal == SIGTERM);
        CHECK(lab.due().kill);
        lab.tree_gone();
        CHECK(lab.state() == State::Stopped);
        CHECK(lab.no_pending_deadline());
    }
}

TEST_CASE("a kill that the keeper may not have done is said again, as a kill") {
    // It was turned into a polite stop whose deadline nothing ever dropped: the loop span.
    Lab lab = recalled(memory_in(State::Killing, Desired::Stopped));
    Effects effects = lab.found_running(5, 4711);
    CHECK(effects.kill);
    CHECK(lab.state() == State::Killing);
    CHECK(lab.no_pending_deadline());
    // The keeper dies as well, and the next one finds it again.
    effects = lab.found_running(5, 4711);
    CHECK(effects.kill);
    CHECK(lab.no_pending_deadline());
    // Now only its children are left.
    effects = lab.found_ended(5, killed_by(9), /*tree_gone=*/false);
    CHECK(effects.kill);
    CHECK(effects.changed);
    CHECK(lab.no_pending_deadline());
    lab.tree_gone();
    CHECK(lab.state() == State::Stopped);
    CHECK(lab.status().exit == killed_by(9));
}

TEST_CASE("a keeper that was replaced while the agent lived is told the stop again") {
    Lab lab(spec_with(RestartPolicy::OnFailure));
    lab.start();
    lab.spawned(4711);
    const Effects quiet = lab.found_running(1, 4711);
    CHECK_FALSE(quiet.changed);
    CHECK_FALSE(quiet.signal);
    lab.say(Event::Stop);
    lab.advance(seconds(5));
    const Effects again = lab.found_running(1, 4711);
    CHECK(again.signal == SIGTERM);
    CHECK(lab.state() == State::Stopping);
    CHECK(lab.machine.deadline().value() - lab.now.mono == seconds(10));
    lab.ended(code(0));
    CHECK(lab.state() == State::Stopped);
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("an end that nobody listened to is carried out once") {
    for (const State state : kUnderWay) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        const Effects effects = lab.found_ended(5, code(1));
        CHECK(effects.run_ended);
        CHECK(lab.status().exit == code(1));
        CHECK(lab.state() == State::Backoff);
        const Effects twice = lab.found_ended(5, code(1));
        CHECK_FALSE(twice.run_ended);
        CHECK_FALSE(twice.changed);
    }
    for (const State state : kDown) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        const Effects same = lab.found_ended(5, code(1));
        CHECK_FALSE(same.run_ended);
        CHECK(lab.state() == state);
        const Effects newer = lab.found_ended(6, code(1));
        CHECK(newer.run_ended);
        CHECK(lab.machine.generation() == 6);
        CHECK(lab.state() == State::Backoff);
        const Effects older = lab.found_ended(4, code(1));
        CHECK_FALSE(older.run_ended);
        CHECK(lab.machine.generation() == 6);
    }
}

TEST_CASE("an end found for an app that is not wanted leaves it down") {
    for (const bool spawn_failed : {false, true}) {
        Lab lab = recalled(memory_in(State::Stopped, Desired::Stopped));
        const Effects effects = spawn_failed ? lab.found_failed(6) : lab.found_ended(6, code(1));
        CHECK(effects.run_ended);
        CHECK(lab.state() == State::Stopped);
        CHECK(lab.no_pending_deadline());
    }
}

TEST_CASE("a start that failed while nobody listened asks the policy, once") {
    for (const State state : {State::Spawning, State::Queued, State::Starting, State::Running}) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        CHECK(lab.found_failed(5).run_ended);
        CHECK(lab.state() == State::Backoff);
        CHECK(lab.machine.reason().starts_with("cannot run it"));
        CHECK_FALSE(lab.status().exit);
        CHECK_FALSE(lab.found_failed(5).changed);
    }
    for (const State state : kDown) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        CHECK_FALSE(lab.found_failed(5).changed);
        CHECK(lab.found_failed(6).run_ended);
        CHECK(lab.state() == State::Backoff);
        CHECK(lab.machine.generation() == 6);
    }
    for (const State state : {State::Stopping, State::Killing, State::Reaping}) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Stopped));
        CHECK(lab.found_failed(6).run_ended);
        CHECK(lab.state() == State::Stopped);
        CHECK(lab.no_pending_deadline());
    }
}

// It was given to the policy once its tree was gone, and so started by nobody's wish.
TEST_CASE("what is left of a run that is not wanted stays down once it is gone") {
    Lab lab = recalled(memory_in(State::Stopped, Desired::Stopped));
    const Effects effects = lab.found_ended(6, code(1), /*tree_gone=*/false);
    CHECK(effects.signal == SIGTERM);
    CHECK(lab.state() == State::Reaping);
    CHECK(lab.tree_gone().run_ended);
    CHECK(lab.state() == State::Stopped);
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("a leader found ended whose tree lives is reaped") {
    Lab lab = recalled(memory_in(State::Running, Desired::Running));
    Effects effects = lab.found_ended(5, code(1), /*tree_gone=*/false);
    CHECK(lab.state() == State::Reaping);
    CHECK(effects.signal == SIGTERM);
    CHECK_FALSE(effects.run_ended);
    // Another crash, in Reaping.
    Lab again = recalled(lab.machine.memory());
    effects = again.found_ended(5, code(1), /*tree_gone=*/false);
    CHECK(again.state() == State::Reaping);
    CHECK(effects.signal == SIGTERM);
    CHECK(again.due().kill);
    CHECK(again.tree_gone().run_ended);
    CHECK(again.state() == State::Backoff);
}

TEST_CASE("a restart under way survives a crash, and is forgotten once it is done") {
    Lab lab(spec_with(RestartPolicy::OnFailure));
    lab.start();
    lab.spawned();
    lab.say(Event::Restart);
    CHECK(lab.machine.memory().start_after);
    Lab again = recalled(lab.machine.memory());
    again.found_ended(1, code(0));
    CHECK(again.state() == State::Waiting);
    CHECK(again.machine.memory().start_after);  // it is told as a restart when it begins
    again.say(Event::Stop);
    CHECK_FALSE(again.machine.memory().start_after);
    // A start whose record was lost with the crash: not wanted, so it is stopped and stays so.
    Lab third = recalled(again.machine.memory());
    third.found_running(2, 4711);
    CHECK(third.state() == State::Stopping);
    third.ended(code(0));
    CHECK(third.state() == State::Stopped);
    CHECK(third.no_pending_deadline());
}

TEST_CASE("a run that was ended because it was never ready is a failure after a crash too") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.ready.notify = true;
    Lab lab(spec);
    lab.start();
    lab.spawned();
    lab.due();
    REQUIRE(lab.state() == State::Stopping);
    Lab again = recalled(lab.machine.memory(), spec);
    again.found_running(1, 100);
    CHECK(again.state() == State::Stopping);
    again.ended(code(0));
    CHECK(again.state() == State::Backoff);
    CHECK(again.machine.desired() == Desired::Running);
}

TEST_CASE("a start that never arrived is said again") {
    Lab lab = recalled(memory_in(State::Spawning, Desired::Running));
    const Effects effects = lab.found_nothing();
    CHECK(effects.spawn);
    CHECK(lab.machine.generation() == 5);
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("a run without a record has ended, nobody knows how") {
    for (const State state : kUnderWay) {
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        CHECK(lab.found_nothing().run_ended);
        CHECK(lab.state() == State::Backoff);
        CHECK(lab.status().exit == ExitStatus{ExitKind::Unknown, 0, false});
    }
    for (const State state : kDown) {
        Lab lab = recalled(memory_in(state, Desired::Running));
        const Effects effects = lab.found_nothing();
        CHECK_FALSE(effects.run_ended);
        CHECK_FALSE(effects.spawn);
        CHECK(lab.state() == state);
    }
    auto memory = memory_in(State::Reaping, Desired::Running);
    memory.exit = code(3);
    Lab known = recalled(memory);
    known.found_nothing();
    CHECK(known.status().exit == code(3));  // what is known is not forgotten
}

TEST_CASE("nothing survives a boot") {
    for (std::size_t s = 0; s < kStateCount; ++s) {
        const auto state = static_cast<State>(s);
        INFO(kStateNames.name(state));
        Lab lab = recalled(memory_in(state, Desired::Running));
        const Effects effects = lab.booted();
        const bool active = is_active(public_state(state));
        const bool running = has_run(state);
        CHECK(effects.run_ended == running);
        CHECK(effects.hook_ended == (state == State::Cleaning));
        CHECK((!active || running || state == State::Storing || state == State::Cleaning));
        CHECK_FALSE(effects.spawn);
        CHECK(lab.no_pending_deadline());
        CHECK(lab.machine.desired() == Desired::Running);
        if (running) {
            // Without this the history would say that it never got as far as exec.
            CHECK(lab.status().exit == ExitStatus{ExitKind::Unknown, 0, false});
            CHECK(lab.status().finished == lab.now.wall);
        }
        const bool down =
            state == State::Exited || state == State::Failed || state == State::Stopped;
        CHECK(lab.state() == (down ? state : State::Stopped));
    }
}

TEST_CASE("the agent's own end keeps what is wanted, the user's stop holds") {
    for (const bool shutdown : {false, true}) {
        for (const State from : {State::Running, State::Backoff}) {
            Lab lab(spec_with(RestartPolicy::OnFailure));
            lab.start();
            lab.spawned();
            if (from == State::Backoff) {
                lab.ended(code(1));
            }
            Input stop;
            stop.event = Event::Stop;
            stop.keep_desired = shutdown;
            stop.actor = "the end of the agent";
            lab.feed(stop);
            if (from == State::Running) {
                lab.ended(code(0));
            }
            CHECK(lab.state() == State::Stopped);
            CHECK(lab.machine.desired() == (shutdown ? Desired::Running : Desired::Stopped));
            CHECK(lab.machine.held() == !shutdown);
            CHECK(lab.machine.memory().held == !shutdown);
            CHECK(lab.no_pending_deadline());
            lab.start();
            CHECK_FALSE(lab.machine.held());
        }
    }
    Lab killed(spec_with(RestartPolicy::Always));
    killed.start();
    killed.spawned();
    killed.say(Event::Kill);
    CHECK(killed.machine.held());
    CHECK(killed.machine.desired() == Desired::Stopped);
}

TEST_CASE("restarts before a crash of the agent count against the budget after it") {
    AppSpec spec = spec_with(RestartPolicy::Always);
    spec.restart.backoff = {seconds(1), 1.0, seconds(1), 0};
    spec.restart.max_restarts = 3;
    spec.restart.window = seconds(60);
    Lab before(spec);
    before.start();
    for (int i = 0; i < 2; ++i) {
        before.spawned();
        before.ended(code(1));
        before.due();
    }
    before.spawned();
    const auto memory = before.machine.memory();
    REQUIRE(memory.recent.size() == 2);
    for (const auto& [away, allowed] : {std::pair{seconds(5), 1}, {seconds(120), 3}}) {
        INFO("away for " << away.count() << " s");
        Lab after(spec);
        after.now = before.now;
        after.advance(away);
        after.machine.recall(memory, after.now);
        for (int i = 0; i < allowed; ++i) {
            after.ended(code(1));
            REQUIRE(after.state() == State::Backoff);
            after.due();
            after.spawned();
        }
        after.ended(code(1));
        CHECK(after.state() == State::Failed);
    }
}
