#include <signal.h>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// The restart rules of others, as far as our policies can express them, cell by cell.

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;
using std::chrono::seconds;

namespace {

// How a run ends, in the words of systemd.service(5), "Restart=".
enum class Cause { CleanExit, UncleanCode, UncleanSignal, Timeout, Watchdog };

constexpr std::array kCauses = {
    Cause::CleanExit, Cause::UncleanCode, Cause::UncleanSignal, Cause::Timeout, Cause::Watchdog};

// Ends a fresh run by this cause.
void end_by(Lab& lab, Cause cause) {
    switch (cause) {
        case Cause::CleanExit:
            lab.ended(code(0));
            return;
        case Cause::UncleanCode:
            lab.ended(code(1));
            return;
        case Cause::UncleanSignal:
            lab.ended(killed_by(SIGSEGV));
            return;
        case Cause::Timeout:  // of the start: it never says that it is ready
            lab.due();
            lab.ended(killed_by(SIGTERM));
            return;
        case Cause::Watchdog: {
            Input input;
            input.event = Event::Unhealthy;
            input.problem = "no sign of life for 30 s";
            lab.feed(input);
            lab.ended(killed_by(SIGABRT));
            return;
        }
    }
}

struct SystemdColumn {
    const char* name;
    RestartPolicy policy;
    std::vector<int> success_codes;
    // Whether it is restarted, in the order of kCauses.
    std::array<bool, 5> restarts;
};

// systemd's table has seven columns (no, always, on-success, on-failure, on-abnormal, on-abort,
// on-watchdog) and five rows. on-success, on-abnormal, on-abort and on-watchdog restart after a
// good end, or tell signals from codes: the first is not a policy of ours; the other three come out
// of `on-failure` with all exit codes counted as good, up to the cells named here.
std::vector<SystemdColumn> systemd_table() {
    std::vector<int> every_code;
    for (int value = 0; value < 256; ++value) {
        every_code.push_back(value);
    }
    return {
        {"no", RestartPolicy::Never, {0}, {false, false, false, false, false}},
        {"always", RestartPolicy::Always, {0}, {true, true, true, true, true}},
        {"on-failure", RestartPolicy::OnFailure, {0}, {false, true, true, true, true}},
        {"on-abnormal", RestartPolicy::OnFailure, every_code, {false, false, true, true, true}},
    };
}

Lab fresh(const SystemdColumn& column, Cause cause) {
    AppSpec spec = spec_with(column.policy);
    spec.restart.success_codes = column.success_codes;
    spec.ready.notify = cause == Cause::Timeout;
    Lab lab(spec);
    lab.start();
    lab.spawned();
    return lab;
}

// One line of a documented history: what happens, and the state that must follow.
struct Line {
    const char* event;
    State state;
};

void play(Lab& lab, const std::vector<Line>& lines) {
    for (const Line& line : lines) {
        const std::string event = line.event;
        if (event == "start") {
            lab.start();
        } else if (event == "stop") {
            lab.say(Event::Stop);
        } else if (event == "spawned") {
            lab.spawned();
        } else if (event == "ready") {
            lab.say(Event::Ready, "");
        } else if (event == "spawn fails") {
            lab.spawn_failed();
        } else if (event == "due") {
            lab.due();
        } else if (event == "10 s") {
            lab.advance(seconds(10));
        } else if (event == "exit 0") {
            lab.ended(code(0));
        } else if (event == "exit 1") {
            lab.ended(code(1));
        } else if (event == "killed") {
            lab.ended(killed_by(SIGKILL));
        } else {
            FAIL("unknown event " << event);
        }
        INFO("after " << event);
        REQUIRE(kStateNames.name(lab.state()) == kStateNames.name(line.state));
    }
}

}  // namespace

TEST_CASE("systemd's Restart= table, as far as our policies express it") {
    for (const SystemdColumn& column : systemd_table()) {
        for (std::size_t row = 0; row < kCauses.size(); ++row) {
            Lab lab = fresh(column, kCauses.at(row));
            end_by(lab, kCauses.at(row));
            INFO("Restart=" << column.name << ", cause " << row);
            const bool restarted = lab.state() == State::Backoff;
            CHECK(restarted == column.restarts.at(row));
            if (!restarted) {
                const bool good =
                    kCauses.at(row) == Cause::CleanExit ||
                    (kCauses.at(row) == Cause::UncleanCode && column.success_codes.size() > 1);
                CHECK(lab.state() == (good ? State::Exited : State::Failed));
                CHECK(lab.no_pending_deadline());
            } else {
                CHECK(lab.due().spawn);
            }
        }
    }
}

TEST_CASE("a stop is never followed by a restart, as systemd says of all columns") {
    for (const SystemdColumn& column : systemd_table()) {
        Lab lab = fresh(column, Cause::CleanExit);
        lab.say(Event::Stop);
        lab.ended(killed_by(SIGTERM));
        INFO(column.name);
        CHECK(lab.state() == State::Stopped);
        CHECK(lab.no_pending_deadline());
    }
}

TEST_CASE("SuccessExitStatus= and clean signals: success_codes") {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    spec.restart.success_codes = {0, 42, -SIGHUP, -SIGINT, -SIGTERM, -SIGPIPE};
    for (const auto& end : {code(0),
                            code(42),
                            killed_by(SIGHUP),
                            killed_by(SIGINT),
                            killed_by(SIGTERM),
                            killed_by(SIGPIPE)}) {
        Lab lab(spec);
        lab.start();
        lab.spawned();
        lab.ended(end);
        CHECK(lab.state() == State::Exited);
    }
}

TEST_CASE("supervisord's documented transitions") {
    // STARTING is our `starting` until startsecs are over, which is what reset_after decides for
    // the delay; BACKOFF, RUNNING, STOPPING, STOPPED, EXITED are ours; FATAL is `failed` after
    // startretries.
    SECTION("STOPPED → STARTING → RUNNING → STOPPING → STOPPED") {
        AppSpec spec = spec_with(RestartPolicy::OnFailure);
        spec.ready.notify = true;
        Lab lab(spec);
        play(lab,
             {{"start", State::Spawning},
              {"spawned", State::Starting},
              {"ready", State::Running},
              {"stop", State::Stopping},
              {"exit 0", State::Stopped}});
    }
    SECTION("STARTING → BACKOFF → STARTING → BACKOFF → FATAL, then STARTING by hand") {
        AppSpec spec = spec_with(RestartPolicy::OnFailure);
        spec.restart.max_restarts = 3;
        spec.restart.window = seconds(3600);
        Lab lab(spec);
        play(lab,
             {{"start", State::Spawning},
              {"spawn fails", State::Backoff},
              {"due", State::Spawning},
              {"spawned", State::Running},
              {"exit 1", State::Backoff},
              {"due", State::Spawning},
              {"spawned", State::Running},
              {"exit 1", State::Backoff},
              {"due", State::Spawning},
              {"spawned", State::Running},
              {"exit 1", State::Failed},
              {"start", State::Spawning}});
    }
    SECTION("RUNNING → EXITED (autorestart=unexpected, expected code)") {
        Lab lab(spec_with(RestartPolicy::OnFailure));
        play(lab,
             {{"start", State::Spawning},
              {"spawned", State::Running},
              {"10 s", State::Running},
              {"exit 0", State::Exited},
              {"start", State::Spawning}});
    }
    SECTION("RUNNING → EXITED → STARTING (autorestart=true)") {
        Lab lab(spec_with(RestartPolicy::Always));
        play(lab,
             {{"start", State::Spawning},
              {"spawned", State::Running},
              {"exit 0", State::Backoff},
              {"due", State::Spawning}});
    }
    SECTION("RUNNING → EXITED (autorestart=false)") {
        Lab lab(spec_with(RestartPolicy::Never));
        play(lab,
             {{"start", State::Spawning}, {"spawned", State::Running}, {"killed", State::Failed}});
    }
    SECTION("BACKOFF → STOPPED, STARTING → STOPPING") {
        Lab lab(spec_with(RestartPolicy::OnFailure));
        play(lab,
             {{"start", State::Spawning},
              {"spawn fails", State::Backoff},
              {"stop", State::Stopped},
              {"start", State::Spawning},
              {"stop", State::Stopping},
              {"killed", State::Stopped}});
    }
}

TEST_CASE("Nomad's restart modes") {
    SECTION("fail: attempts within the interval, then failed") {
        AppSpec spec = spec_with(RestartPolicy::OnFailure);
        spec.restart.max_restarts = 2;
        spec.restart.window = seconds(1800);
        spec.restart.backoff = {seconds(15), 1.0, seconds(15), 0.0};
        Lab lab(spec);
        play(lab,
             {{"start", State::Spawning},
              {"spawned", State::Running},
              {"exit 1", State::Backoff},
              {"due", State::Spawning},
              {"spawned", State::Running},
              {"exit 1", State::Backoff},
              {"due", State::Spawning},
              {"spawned", State::Running},
              {"exit 1", State::Failed}});
    }
    SECTION("the interval is over: the attempts count anew") {
        AppSpec spec = spec_with(RestartPolicy::OnFailure);
        spec.restart.max_restarts = 1;
        spec.restart.window = seconds(60);
        Lab lab(spec);
        lab.start();
        for (int i = 0; i < 20; ++i) {
            lab.spawned();
            lab.advance(seconds(61));
            lab.ended(code(1));
            REQUIRE(lab.state() == State::Backoff);
            lab.due();
        }
    }
    SECTION("delay: never gives up, and waits longer") {
        AppSpec spec = spec_with(RestartPolicy::OnFailure);
        spec.restart.backoff = {seconds(1), 2.0, seconds(60), 0.0};
        Lab lab(spec);
        lab.start();
        std::vector<Duration> delays;
        for (int i = 0; i < 9; ++i) {
            lab.spawned();
            lab.ended(code(1));
            REQUIRE(lab.state() == State::Backoff);
            delays.push_back(*lab.machine.deadline() - lab.now.mono);
            lab.due();
        }
        const std::vector<Duration> expected = {seconds(1),
                                                seconds(2),
                                                seconds(4),
                                                seconds(8),
                                                seconds(16),
                                                seconds(32),
                                                seconds(60),
                                                seconds(60),
                                                seconds(60)};
        CHECK(delays == expected);
    }
    SECTION("attempts = 0: the first failure is the last") {
        Lab lab(spec_with(RestartPolicy::Never));
        play(lab,
             {{"start", State::Spawning}, {"spawned", State::Running}, {"exit 1", State::Failed}});
    }
}
