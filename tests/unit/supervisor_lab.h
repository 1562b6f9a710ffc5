#pragma once

#include <string>
#include <utility>

#include "agent/supervisor/machine.h"

// A Machine with a clock that only moves when told, and short words for its inputs.
namespace berth::supervisor {

struct Lab {
    explicit Lab(AppSpec spec = AppSpec()) : machine(std::move(spec)) {
        now.mono = MonoTime(std::chrono::hours(1));
        now.wall = WallTime(std::chrono::hours(24 * 365 * 50));
    }

    void advance(Duration by) {
        now.mono += by;
        now.wall += by;
    }

    const Effects& feed(const Input& input) {
        last = machine.step(input, now, random);
        return last;
    }

    const Effects& say(Event event, const std::string& actor = "ann") {
        Input input;
        input.event = event;
        input.actor = actor;
        return feed(input);
    }

    const Effects& start() { return say(Event::Start); }

    const Effects& spawned(std::int32_t pid = 100) {
        Input input;
        input.event = Event::Spawned;
        input.pid = pid;
        input.when = now.wall;
        return feed(input);
    }

    const Effects& spawn_failed(const std::string& problem = "cannot run \"x\"") {
        Input input;
        input.event = Event::SpawnFailed;
        input.problem = problem;
        return feed(input);
    }

    const Effects& ended(const ExitStatus& exit, bool tree_gone = true) {
        Input input;
        input.event = Event::LeaderEnded;
        input.exit = exit;
        input.when = now.wall;
        input.tree_gone = tree_gone;
        return feed(input);
    }

    const Effects& tree_gone() { return say(Event::TreeGone, ""); }

    const Effects& queued(const std::string& problem = "the queue: Resources") {
        Input input;
        input.event = Event::Queued;
        input.problem = problem;
        return feed(input);
    }

    // What the backend has when it is back.
    const Effects& found_queued(std::uint64_t generation,
                                const std::string& problem = "the queue: Resources") {
        Input input;
        input.event = Event::FoundQueued;
        input.generation = generation;
        input.started = now.wall;
        input.problem = problem;
        return feed(input);
    }

    const Effects& found_running(std::uint64_t generation, std::int32_t pid, WallTime started) {
        Input input;
        input.event = Event::FoundRunning;
        input.generation = generation;
        input.pid = pid;
        input.started = started;
        return feed(input);
    }

    const Effects& found_running(std::uint64_t generation, std::int32_t pid) {
        return found_running(generation, pid, now.wall);
    }

    const Effects& found_ended(std::uint64_t generation,
                               const ExitStatus& exit,
                               bool tree_gone = true) {
        Input input;
        input.event = Event::FoundEnded;
        input.generation = generation;
        input.started = now.wall;
        input.when = now.wall;
        input.exit = exit;
        input.tree_gone = tree_gone;
        return feed(input);
    }

    const Effects& found_failed(std::uint64_t generation) {
        Input input;
        input.event = Event::FoundFailed;
        input.generation = generation;
        input.started = now.wall;
        input.problem = "cannot run it";
        return feed(input);
    }

    const Effects& found_nothing() { return say(Event::FoundNothing, ""); }

    const Effects& booted() { return say(Event::Booted, ""); }

    // Lets the clock reach the deadline and says so. The deadline must be there.
    const Effects& due() {
        const MonoTime at = machine.deadline().value();
        advance(at > now.mono ? Duration(at - now.mono) : Duration::zero());
        return say(Event::Deadline, "");
    }

    [[nodiscard]] State state() const { return machine.state(); }

    [[nodiscard]] AppStatus status() const {
        AppStatus status;
        machine.describe(status);
        return status;
    }

    [[nodiscard]] bool no_pending_deadline() const { return !machine.deadline(); }

    Machine machine;
    Now now{};
    double random = 0.5;
    Effects last;
};

inline ExitStatus code(int value) {
    return {ExitKind::Code, value, false};
}

inline ExitStatus killed_by(int signal) {
    return {ExitKind::Signal, signal, false};
}

inline AppSpec spec_with(RestartPolicy policy, AppKind kind = AppKind::Service) {
    AppSpec spec;
    spec.id = "x";
    spec.argv = {"x"};
    spec.kind = kind;
    spec.ready.settle = Duration::zero();  // running at exec
    spec.restart.policy = policy;
    return spec;
}

// A Lab in `state`, reached the way it is reached in life.
inline Lab lab_in(State state) {
    AppSpec spec = spec_with(RestartPolicy::OnFailure);
    if (state == State::Starting) {
        spec.ready.notify = true;
    }
    Lab lab(spec);
    switch (state) {
        case State::Stopped:
            return lab;
        case State::Waiting: {
            Input input;
            input.event = Event::Start;
            input.needs_met = false;
            input.missing = "db";
            lab.feed(input);
            return lab;
        }
        case State::Spawning:
            lab.start();
            return lab;
        case State::Queued:
            lab.start();
            lab.queued();
            return lab;
        case State::Starting:
        case State::Running:
            lab.start();
            lab.spawned();
            return lab;
        case State::Stopping:
            lab = lab_in(State::Running);
            lab.say(Event::Stop);
            return lab;
        case State::Killing:
            lab = lab_in(State::Running);
            lab.say(Event::Kill);
            return lab;
        case State::Reaping:
            lab = lab_in(State::Running);
            lab.ended(code(0), /*tree_gone=*/false);
            return lab;
        case State::Storing:
            spec.post_stop = "true";
            lab = Lab(spec);
            lab.start();
            lab.spawned();
            lab.ended(code(0));
            return lab;
        case State::Cleaning:
            lab = lab_in(State::Storing);
            lab.say(Event::RunStored, "");
            return lab;
        case State::Backoff:
            lab = lab_in(State::Running);
            lab.ended(code(1));
            return lab;
        case State::Exited:
            lab = lab_in(State::Running);
            lab.ended(code(0));
            return lab;
        case State::Failed:
            lab = Lab(spec_with(RestartPolicy::Never));
            lab.start();
            lab.spawned();
            lab.ended(code(1));
            return lab;
    }
    return lab;
}

}  // namespace berth::supervisor
