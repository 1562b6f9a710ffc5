#include <signal.h>

#include <set>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;
using std::chrono::seconds;

namespace {

bool same(const Machine::Memory& a, const Machine::Memory& b) {
    return a.state == b.state && a.desired == b.desired && a.generation == b.generation &&
           a.since == b.since && a.reason == b.reason && a.restarts == b.restarts &&
           a.attempt == b.attempt && a.last_pid == b.last_pid && a.started == b.started &&
           a.finished == b.finished && a.exit == b.exit && a.start_after == b.start_after &&
           a.held == b.held && a.problem == b.problem && a.actor == b.actor;
}

bool has_effect(const Effects& effects) {
    return effects.changed || effects.spawn || effects.signal || effects.kill ||
           effects.run_ended || effects.hook || effects.hook_ended;
}

}  // namespace

TEST_CASE("the whole table is walked") {
    const std::set<State> may_have_deadline = {
        State::Starting, State::Stopping, State::Reaping, State::Backoff, State::Cleaning};
    for (std::size_t s = 0; s < kStateCount; ++s) {
        for (std::size_t e = 0; e < kEventCount; ++e) {
            const auto state = static_cast<State>(s);
            const auto event = static_cast<Event>(e);
            Lab lab = lab_in(state);
            REQUIRE(lab.state() == state);
            const auto before = lab.machine.memory();
            const auto deadline = lab.machine.deadline();
            lab.advance(seconds(1));
            Input input;
            input.event = event;
            input.actor = "ann";
            input.generation = lab.machine.generation() + 1;  // nothing is known of it yet
            input.started = lab.now.wall;
            const Effects effects = lab.feed(input);
            INFO(kStateNames.name(state) << " × " << kEventNames.name(event));
            const Act act = act_for(state, event);
            CHECK(act != Act::Missing);
            if (act == Act::RejectActive || act == Act::RejectInactive) {
                CHECK(effects.rejected);
                CHECK(effects.reason ==
                      (act == Act::RejectActive ? "must be inactive" : "must be active"));
                CHECK_FALSE(has_effect(effects));
                CHECK(same(before, lab.machine.memory()));
                CHECK(deadline == lab.machine.deadline());
            } else if (act == Act::Ignore) {
                CHECK_FALSE(effects.rejected);
                CHECK_FALSE(has_effect(effects));
                CHECK(same(before, lab.machine.memory()));
                CHECK(deadline == lab.machine.deadline());
            } else {
                CHECK_FALSE(effects.rejected);
                CHECK(has_effect(effects));
            }
            if (may_have_deadline.count(lab.state()) == 0) {
                CHECK(lab.no_pending_deadline());
            } else if (act != Act::CutHook) {
                CHECK(lab.machine.deadline().has_value());
            }
        }
    }
}

TEST_CASE("a start runs, and its end asks the policy") {
    enum class Then { Exited, Failed, Backoff };

    struct Row {
        RestartPolicy policy;
        AppKind kind;
        ExitStatus exit;
        Then then;
    };

    using enum RestartPolicy;
    const auto service = AppKind::Service;
    const auto oneshot = AppKind::OneShot;
    const std::vector<Row> rows = {
        {Never, service, code(0), Then::Exited},
        {Never, service, code(1), Then::Failed},
        {Never, service, killed_by(SIGSEGV), Then::Failed},
        {OnFailure, service, code(0), Then::Exited},
        {OnFailure, service, code(1), Then::Backoff},
        {OnFailure, service, killed_by(SIGTERM), Then::Backoff},
        {OnFailure, service, {ExitKind::Unknown, 0, false}, Then::Backoff},
        {Always, service, code(0), Then::Backoff},
        {Always, service, code(1), Then::Backoff},
        {Always, service, killed_by(SIGKILL), Then::Backoff},
        {Never, oneshot, code(0), Then::Exited},
        {Never, oneshot, code(1), Then::Failed},
        {OnFailure, oneshot, code(0), Then::Exited},
        {OnFailure, oneshot, code(1), Then::Backoff},
        {Always, oneshot, code(0), Then::Exited},
        {Always, oneshot, killed_by(SIGKILL), Then::Backoff},
        {Never, oneshot, {ExitKind::Unknown, 0, false}, Then::Failed},
        {OnFailure, oneshot, {ExitKind::Unknown, 0, false}, Then::Failed},
    };
    for (const Row& row : rows) {
        INFO(kRestartPolicyNames.name(row.policy)
             << " " << kAppKindNames.name(row.kind) << " " << describe(row.exit));
        Lab lab(spec_with(row.policy, row.kind));
        CHECK(lab.start().spawn);
        CHECK(lab.machine.generation() == 1);
        CHECK(lab.machine.desired() == Desired::Running);
        CHECK(lab.status().state == AppState::Starting);
        lab.spawned(77);
        CHECK(lab.state() == State::Running);
        CHECK(lab.status().pid == 77);
        CHECK(lab.no_pending_deadline());
        lab.advance(seconds(3));
        const Effects effects = lab.ended(row.exit);
        CHECK(effects.run_ended);
        CHECK_FALSE(effects.spawn);
        CHECK(lab.status().exit == row.exit);
        CHECK_FALSE(lab.status().pid);
        CHECK(lab.status().last_pid == 77);
        CHECK(lab.status().finished == lab.now.wall);
        switch (row.then) {
            case Then::Exited:
                CHECK(lab.state() == State::Exited);
                CHECK(lab.no_pending_deadline());
                break;
            case Then::Failed:
                CHECK(lab.state() == State::Failed);
                CHECK(lab.no_pending_deadline());
                break;
            case Then::Backoff:
                CHECK(lab.state() == State::Backoff);
                CHECK(lab.status().next_try.has_value());
                CHECK(lab.due().spawn);
                CHECK(lab.machine.generation() == 2);
                CHECK(lab.status().restarts == 1);
                CHECK_FALSE(lab.status().exit.has_value());
                CHECK(lab.no_pending_deadline());
        }
    }
}

TEST_CASE("a good end that is followed by a restart is not called a failure") {
    Lab lab(spec_with(RestartPolicy::Always));
    lab.start();
    for (int i = 0; i < 2; ++i) {
        lab.spawned();
        lab.advance(seconds(1));
        lab.ended(code(0));
        if (i == 0) {
            lab.due();
        }
    }
    CHECK(lab.machine.reason() == "exited 0 after 1.0 s; next try in 2.0 s");
}

TEST_CASE("exit codes that the descriptor calls good are good") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.restart.success_codes = {0, 75};
    Lab lab(spec);
    lab.start();
    lab.spawned();
    lab.ended(code(75));
    CHECK(lab.state() == State::Exited);
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("restart.unknown says what an end that nobody saw counts as") {
    using enum RestartPolicy;
    const ExitStatus unseen{ExitKind::Unknown, 0, false};
    for (const AppKind kind : {AppKind::Service, AppKind::OneShot}) {
        for (const RestartPolicy policy : {Never, OnFailure, Always}) {
            for (const UnknownEnd counts : {UnknownEnd::Success, UnknownEnd::Failure}) {
                INFO(kAppKindNames.name(kind) << " " << kRestartPolicyNames.name(policy) << " "
                                              << kUnknownEndNames.name(counts));
                AppSpec spec = spec_with(policy, kind);
                spec.restart.unknown = counts;
                Lab lab(spec);
                lab.start();
                lab.spawned();
                lab.advance(seconds(3));
                lab.ended(unseen);
                // As an end with 0, or with 1, but for what its reason says.
                Lab as_seen(spec_with(policy, kind));
                as_seen.start();
                as_seen.spawned();
                as_seen.advance(seconds(3));
                as_seen.ended(code(counts == UnknownEnd::Success ? 0 : 1));
                CHECK(lab.state() == as_seen.state());
                CHECK(lab.machine.reason().find("restart.unknown counts that as a " +
                                                std::string(kUnknownEndNames.name(counts))) !=
                      std::string::npos);
            }
        }
    }
}

TEST_CASE("a oneshot whose end nobody saw says that it is not run again, and can be started") {
    Lab lab(spec_with(RestartPolicy::OnFailure, AppKind::OneShot));
    lab.start();
    lab.spawned();
    lab.advance(seconds(3));
    lab.ended({ExitKind::Unknown, 0, false});
    CHECK(lab.machine.reason() ==
          "ended, its exit status is unknown after 3.0 s; a oneshot whose end nobody saw is not "
          "run again by itself");
    CHECK(lab.start().spawn);
    lab.spawned();
    lab.ended(code(1));
    CHECK(lab.state() == State::Backoff);  // that end was seen
}

TEST_CASE("backoff grows to its cap, moves by its jitter and begins anew after a good run") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.restart.backoff = {seconds(1), 2.0, seconds(5), 0.5};
    spec.restart.reset_after = seconds(10);
    Lab lab(spec);
    lab.start();
    const auto fail_after = [&lab](Duration run) {
        lab.spawned();
        lab.advance(run);
        lab.ended(code(1));
        const Duration delay = lab.machine.deadline().value() - lab.now.mono;
        CHECK(lab.status().next_try == lab.now.wall + delay);
        return delay;
    };
    CHECK(fail_after(seconds(1)) == seconds(1));
    lab.due();
    CHECK(fail_after(seconds(1)) == seconds(2));
    CHECK(lab.machine.reason() == "exited 1 after 1.0 s, failed twice in a row; next try in 2.0 s");
    lab.due();
    CHECK(fail_after(seconds(9)) == seconds(4));
    lab.due();
    CHECK(fail_after(seconds(1)) == seconds(5));
    lab.due();
    lab.random = 0;
    CHECK(fail_after(seconds(1)) == std::chrono::milliseconds(2500));
    lab.due();
    lab.random = 0.999999;
    CHECK(fail_after(seconds(1)) == seconds(5));  // never above the cap
    lab.due();
    lab.random = 0.5;
    CHECK(fail_after(seconds(10)) == seconds(1));
    lab.due();
    CHECK(lab.status().restarts == 7);
    lab.spawned();
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("too many restarts within the window give up, a user's start begins anew") {
    AppSpec spec = spec_with(RestartPolicy::Always);
    spec.restart.backoff = {seconds(1), 1.0, seconds(1), 0};
    spec.restart.max_restarts = 3;
    spec.restart.window = seconds(60);
    Lab lab(spec);
    lab.start();
    for (int i = 0; i < 3; ++i) {
        lab.spawned();
        lab.ended(code(1));
        REQUIRE(lab.state() == State::Backoff);
        lab.due();
    }
    lab.spawned();
    lab.ended(code(1));
    CHECK(lab.state() == State::Failed);
    CHECK(lab.machine.reason().find("gave up after 3 restarts within 60 s") != std::string::npos);
    CHECK(lab.no_pending_deadline());

    CHECK(lab.start().spawn);
    CHECK(lab.status().restarts == 0);
    for (int i = 0; i < 10; ++i) {  // spread wider than the window: never gives up
        lab.spawned();
        lab.advance(seconds(30));
        lab.ended(code(1));
        REQUIRE(lab.state() == State::Backoff);
        lab.due();
    }
}

TEST_CASE("the ready check decides when it runs") {
    AppSpec spec = spec_with(RestartPolicy::Never);
    spec.ready.tcp = ":80";
    spec.ready.timeout = seconds(5);
    Lab ready(spec);
    ready.start();
    ready.spawned();
    CHECK(ready.state() == State::Starting);
    CHECK(ready.machine.deadline().value() - ready.now.mono == seconds(5));
    ready.say(Event::Ready, "");
    CHECK(ready.state() == State::Running);
    CHECK(ready.no_pending_deadline());

    Lab late(spec);
    late.start();
    late.spawned();
    CHECK(late.due().signal == SIGTERM);
    CHECK(late.state() == State::Stopping);
    late.ended(code(0));
    CHECK(late.state() == State::Failed);  // code 0 does not make it good
    CHECK(late.machine.reason() == "not ready after 5.0 s");
    CHECK(late.no_pending_deadline());
}

TEST_CASE("a failed spawn is a failure of its run") {
    Lab lab(spec_with(RestartPolicy::OnFailure));
    lab.start();
    const Effects effects = lab.spawn_failed("cannot run \"x\": Permission denied");
    CHECK(effects.run_ended);
    CHECK(lab.state() == State::Backoff);
    CHECK(lab.machine.reason().find("Permission denied; next try in") != std::string::npos);
    CHECK_FALSE(lab.status().exit.has_value());
    lab.due();
    CHECK(lab.state() == State::Spawning);

    Lab never(spec_with(RestartPolicy::Never));
    never.start();
    never.spawn_failed();
    CHECK(never.state() == State::Failed);
    CHECK(never.no_pending_deadline());
}

TEST_CASE("what it requires is waited for") {
    Lab lab = lab_in(State::Waiting);
    CHECK(lab.machine.reason() == "waiting for db");
    CHECK(lab.machine.generation() == 0);
    CHECK(lab.say(Event::NeedsMet).spawn);
    CHECK(lab.machine.generation() == 1);
    CHECK(lab.no_pending_deadline());
}
