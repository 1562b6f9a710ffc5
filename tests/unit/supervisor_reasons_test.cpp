#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// What a service without a ready check waits for, and what people are told of every change: cause,
// who asked, and what follows.

using namespace berth;
using namespace berth::supervisor;
using namespace std::chrono_literals;
using Outlook = Machine::Outlook;

namespace {

AppSpec settling(RestartPolicy policy = RestartPolicy::OnFailure) {
    AppSpec spec = spec_with(policy);
    spec.ready.settle = 250ms;
    return spec;
}

bool ends_with(const std::string& text, std::string_view end) {
    return text.ends_with(end);
}

}  // namespace

TEST_CASE("a service without a ready check is ready when it has lived for a while") {
    Lab lab(settling());
    lab.start();
    lab.spawned();
    CHECK(lab.state() == State::Starting);
    CHECK(lab.machine.deadline().value() - lab.now.mono == 250ms);
    lab.due();
    CHECK(lab.state() == State::Running);
    CHECK(lab.machine.reason() == "started by ann");
    CHECK(lab.no_pending_deadline());
}

TEST_CASE("one that ends before is a failed start, or has ended well") {
    Lab bad(settling());
    bad.start();
    bad.spawned();
    bad.advance(100ms);
    const Effects& failed = bad.ended(code(3));
    CHECK(failed.crashed);
    CHECK(bad.state() == State::Backoff);
    CHECK_FALSE(bad.machine.ended_well());

    Lab good(settling());
    good.start();
    good.spawned();
    CHECK_FALSE(good.ended(code(0)).crashed);
    CHECK(good.state() == State::Exited);
    CHECK(good.machine.ended_well());
}

TEST_CASE("settle is for services without a check alone") {
    AppSpec job = settling();
    job.kind = AppKind::OneShot;
    Lab oneshot(job);
    oneshot.start();
    oneshot.spawned();
    CHECK(oneshot.state() == State::Running);

    AppSpec checked = settling();
    checked.ready.notify = true;
    Lab ready(checked);
    ready.start();
    ready.spawned();
    CHECK(ready.machine.deadline().value() - ready.now.mono == 30s);
    ready.say(Event::Ready, "");
    CHECK(ready.machine.reason() == "started by ann, ready");
}

TEST_CASE("an agent that begins while a service settles lets it settle") {
    Lab before(settling());
    before.start();
    before.spawned(77);
    Lab after(settling());
    after.now = before.now;
    after.machine.recall(before.machine.memory(), after.now);
    after.found_running(1, 77);
    CHECK(after.state() == State::Starting);
    after.due();
    CHECK(after.state() == State::Running);
    CHECK(after.machine.reason() == "started by ann");
}

// Every cell of the table, from a state that it is reached in as in life.
TEST_CASE("every change names its cause, and nobody who did not ask") {
    for (std::size_t s = 0; s < kStateCount; ++s) {
        for (std::size_t e = 0; e < kEventCount; ++e) {
            const auto state = static_cast<State>(s);
            const auto event = static_cast<Event>(e);
            Lab lab = lab_in(state);
            const std::string reason = lab.machine.reason();
            INFO(kStateNames.name(state) << " × " << kEventNames.name(event));
            const bool asked = event == Event::Start || event == Event::Stop ||
                               event == Event::Kill || event == Event::Restart;
            Input input;
            input.event = event;
            input.actor = asked ? "bob" : "";
            input.problem = event == Event::Unhealthy ? "its health check failed" : "";
            input.generation = lab.machine.generation() + 1;
            input.started = lab.now.wall;
            const Effects effects = lab.feed(input);
            if (effects.rejected || lab.state() == state) {
                continue;
            }
            const std::string& now = lab.machine.reason();
            INFO(reason << " -> " << now);
            CHECK_FALSE(now.empty());
            if (asked) {
                CHECK(now.find("bob") != std::string::npos);
                CHECK(lab.status().actor == "bob");
            }
            // What happens by itself claims nobody: an end is the app's own, unless it was stopped.
            const bool own_end =
                !asked && (lab.state() == State::Backoff || lab.state() == State::Failed ||
                           lab.state() == State::Exited);
            if (own_end) {
                CHECK(lab.status().actor.empty());
                CHECK(now.find(" by ") == std::string::npos);
            }
            // "what it requires" is for those that waited.
            if (now.find("what it requires") != std::string::npos) {
                CHECK(state == State::Waiting);
            }
        }
    }
}

TEST_CASE("a restart is told as one, also when it waits") {
    Lab lab(spec_with(RestartPolicy::Never));
    lab.start();
    lab.spawned();
    lab.say(Event::Restart, "bob");
    CHECK(lab.machine.outlook() == Outlook::StartsAgain);
    lab.ended(killed_by(15));
    CHECK(lab.state() == State::Waiting);
    CHECK(lab.machine.reason() == "restarting by bob");
    lab.say(Event::NeedsMet, "");
    lab.spawned();
    CHECK(lab.machine.reason() == "restarted by bob");
    CHECK(lab.status().actor == "bob");
    CHECK(lab.machine.outlook() == Outlook::GivesUp);
}

TEST_CASE("an agent that begins while an app waits to be restarted knows that") {
    Lab lab(spec_with(RestartPolicy::Never));
    lab.start();
    lab.spawned();
    lab.say(Event::Restart, "bob");
    lab.ended(killed_by(15));
    Lab after(spec_with(RestartPolicy::Never));
    after.machine.recall(lab.machine.memory(), after.now);
    after.say(Event::NeedsMet, "");
    CHECK(after.machine.reason() == "restarted by bob");
}

TEST_CASE("who waited for others says so when he begins") {
    Lab lab(spec_with(RestartPolicy::OnFailure));
    Input start;
    start.event = Event::Start;
    start.actor = "ann";
    start.needs_met = false;
    start.missing = "db";
    lab.feed(start);
    lab.say(Event::NeedsMet, "");
    CHECK(lab.machine.reason() == "started by ann, what it requires is ready");
    lab.spawned();
    Input end;
    end.event = Event::LeaderEnded;
    end.exit = code(1);
    end.needs_met = false;
    end.missing = "db";
    lab.feed(end);
    CHECK(lab.state() == State::Waiting);
    lab.say(Event::NeedsMet, "");
    CHECK(lab.machine.reason() == "restarted after a failure, what it requires is ready");
    CHECK(lab.status().actor.empty());
}

TEST_CASE("what follows a run is what the policy then does") {
    for (const RestartPolicy policy :
         {RestartPolicy::Never, RestartPolicy::OnFailure, RestartPolicy::Always}) {
        for (const ExitStatus& exit : {code(0), code(1), killed_by(9)}) {
            INFO(kRestartPolicyNames.name(policy) << " " << describe(exit));
            Lab lab(spec_with(policy));
            lab.start();
            lab.spawned();
            lab.ended(exit, /*tree_gone=*/false);
            REQUIRE(lab.state() == State::Reaping);
            const Outlook outlook = lab.machine.outlook();
            lab.tree_gone();
            CHECK((outlook == Outlook::HasEnded) == (lab.state() == State::Exited));
            CHECK((outlook == Outlook::GivesUp) == (lab.state() == State::Failed));
            CHECK((outlook == Outlook::IsRetried) == (lab.state() == State::Backoff));
        }
    }
}

TEST_CASE("an unhealthy app is not stopped by who started it") {
    Lab lab(spec_with(RestartPolicy::OnFailure));
    lab.start();
    lab.spawned();
    Input sick;
    sick.event = Event::Unhealthy;
    sick.problem = "its health check failed 3 times";
    lab.feed(sick);
    CHECK(lab.state() == State::Stopping);
    CHECK(lab.status().actor.empty());
    CHECK(lab.machine.outlook() == Outlook::IsRetried);
    lab.ended(killed_by(15));
    lab.due();
    lab.spawned();
    CHECK(ends_with(lab.machine.reason(), "restarted after a failure"));
    CHECK(lab.status().actor.empty());
}
