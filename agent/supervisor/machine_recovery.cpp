#include <algorithm>
#include <utility>

#include "agent/supervisor/later.h"
#include "agent/supervisor/machine.h"
#include "shared/time/backoff.h"

namespace berth::supervisor {

// How a Machine goes on after its agent, or the keeper, was away.

void Machine::recall(const Memory& memory, const Now& now) {
    now_ = now;
    state_ = memory.state;
    desired_ = memory.desired;
    generation_ = memory.generation;
    since_ = memory.since;
    reason_ = memory.reason;
    restarts_ = memory.restarts;
    attempt_ = memory.attempt;
    last_pid_ = memory.last_pid;
    started_ = memory.started;
    finished_ = memory.finished;
    exit_ = memory.exit;
    held_ = memory.held;
    problem_ = memory.problem;
    hook_ = memory.hook;
    actor_ = memory.actor;
    recent_.clear();
    for (const WallTime time : memory.recent) {
        // By the wall clock, as monotonic times do not outlive us; one that was set back counts
        // as now.
        recent_.push_back(later(now.mono, std::min(Duration::zero(), time - now.wall)));
    }
    afterwards_ = memory.start_after                   ? Afterwards::StartAgain
                  : memory.desired == Desired::Stopped ? Afterwards::StayDown
                                                       : Afterwards::AskPolicy;
    const bool ending = state_ == State::Stopping || state_ == State::Killing;
    if (ending && afterwards_ == Afterwards::AskPolicy && problem_.empty()) {
        problem_ = reason_;  // it is wanted but was being ended: a failure, not its own end
    }
    if (state_ == State::Spawning && !spec_->pre_start.empty()) {
        deadline_ = later(now.mono, spec_->ready.timeout);
    }
    if (state_ == State::Cleaning && hook_) {
        deadline_ = later(now.mono, spec_->stop.timeout);
    }
    if (state_ == State::Backoff) {
        const Duration delay =
            backoff_delay(spec_->restart.backoff, attempt_ > 0 ? attempt_ - 1 : 0, 0.5);
        deadline_ = later(now.mono, delay);
        next_try_ = now.wall + delay;
    }
}

Machine::Memory Machine::memory() const {
    std::vector<WallTime> recent;
    for (const MonoTime time : recent_) {
        recent.push_back(now_.wall - std::chrono::duration_cast<Duration>(now_.mono - time));
    }
    return {state_,
            desired_,
            generation_,
            since_,
            reason_,
            restarts_,
            attempt_,
            last_pid_,
            started_,
            finished_,
            exit_,
            afterwards_ == Afterwards::StartAgain,
            held_,
            problem_,
            hook_,
            actor_,
            std::move(recent)};
}

Effects Machine::found_running(std::uint64_t generation,
                               std::int32_t pid,
                               WallTime started,
                               const Now& now) {
    now_ = now;
    Effects effects;
    if (state_ == State::Cleaning) {
        // Its hook. One that memory does not know of was begun just before the agent died.
        generation_ = generation;
        hook_ = true;
        deadline_ = later(now.mono, spec_->stop.timeout);
        effects.changed = true;
        return effects;
    }
    const bool known = generation_ == generation && pid_ == pid;
    if (known && is_active(public_state(state_)) && state_ != State::Spawning) {
        if (state_ != State::Running && state_ != State::Starting) {
            end_again(effects);
        }
        return effects;
    }
    generation_ = generation;
    pid_ = pid;
    last_pid_ = pid;
    started_ = started;
    finished_.reset();
    exit_.reset();
    // How long it has run is known by the wall clock alone, as monotonic times do not outlive us.
    const MonoTime began = later(now.mono, std::min(Duration::zero(), started - now.wall));
    run_began_ = began;
    const bool was_ending =
        state_ == State::Stopping || state_ == State::Killing || desired_ == Desired::Stopped;
    if (was_ending) {
        if (state_ != State::Stopping && state_ != State::Killing) {
            afterwards_ = Afterwards::StayDown;
            set_state(State::Stopping, "found running, but it is not wanted", effects);
        }
        effects.changed = true;
        end_again(effects);
        return effects;
    }
    afterwards_ = Afterwards::AskPolicy;
    if (state_ == State::Running) {
        effects.changed = true;
        return effects;
    }
    if (state_ != State::Spawning && state_ != State::Starting) {
        reason_ = "found running";
    }
    Input input;
    input.pid = pid;
    input.when = started;
    confirm(input, effects);
    run_began_ = began;
    return effects;
}

Effects Machine::found_ended(
    std::uint64_t generation, const Input& end, WallTime started, const Now& now, double random) {
    now_ = now;
    random_ = random;
    Effects effects;
    if (generation < generation_ || is_over(generation)) {
        return effects;
    }
    if (state_ == State::Cleaning) {
        generation_ = generation;
        hook_ = true;
        end_hook(end, effects);
        return effects;
    }
    const bool ending =
        state_ == State::Stopping || state_ == State::Killing || state_ == State::Reaping;
    if (generation > generation_) {
        exit_.reset();
        finished_.reset();
        problem_.clear();
    }
    if (generation > generation_ || !ending) {
        generation_ = generation;
        started_ = started;
        run_began_ = later(now.mono, std::min(Duration::zero(), started - now.wall));
        if (!ending) {
            state_ = State::Running;
            afterwards_ =
                desired_ == Desired::Stopped ? Afterwards::StayDown : Afterwards::AskPolicy;
        }
    }
    if (end.event == Event::SpawnFailed) {
        if (!ending && afterwards_ == Afterwards::StayDown) {
            settle(effects);
        } else {
            apply(act_for(state_, Event::SpawnFailed), end, effects);
        }
        return effects;
    }
    leader_ended(end, effects);
    if (ending && !end.tree_gone) {
        end_again(effects);
    }
    return effects;
}

// The keeper that was told to end the tree may have died before it did.
void Machine::end_again(Effects& effects) {
    if (state_ == State::Killing) {
        effects.kill = true;
        return;
    }
    deadline_ = later(now_.mono, spec_->stop.timeout);
    effects.signal = spec_->stop.signal;
}

Effects Machine::found_nothing(const Now& now) {
    now_ = now;
    Effects effects;
    pid_.reset();
    switch (state_) {
        case State::Spawning:
            effects.spawn = true;
            break;
        case State::Starting:
        case State::Running:
        case State::Stopping:
        case State::Killing:
        case State::Reaping:
            // Its record is lost: the home was copied, or somebody deleted the file.
            if (!exit_) {
                exit_ = ExitStatus{ExitKind::Unknown, 0, false};
            }
            settle(effects);
            break;
        case State::Cleaning:
            effects.hook = hook_;
            break;
        case State::Stopped:
        case State::Waiting:
        case State::Backoff:
        case State::Exited:
        case State::Failed:
            break;
    }
    return effects;
}

Effects Machine::found_after_boot(const Now& now) {
    now_ = now;
    Effects effects;
    const AppState shown = public_state(state_);
    if (is_active(shown) || shown == AppState::Backoff || shown == AppState::Waiting) {
        pid_.reset();
        if (state_ == State::Cleaning) {
            effects.hook_ended = std::exchange(hook_, false);
        } else if (is_active(shown)) {
            effects.run_ended = true;
            exit_ = exit_.value_or(ExitStatus{ExitKind::Unknown, 0, false});
            finished_ = finished_.value_or(now.wall);
        }
        set_state(State::Stopped, "ended when this machine was shut down", effects);
        afterwards_ = Afterwards::AskPolicy;
    }
    return effects;
}

}  // namespace berth::supervisor
