#include <algorithm>
#include <utility>

#include "agent/supervisor/later.h"
#include "agent/supervisor/machine.h"
#include "agent/supervisor/words.h"
#include "shared/time/backoff.h"

namespace berth::supervisor {

// What follows the end of a run: the post_stop hook, and then the restart policy.

namespace {

constexpr Duration kClocksDiffer = std::chrono::seconds(1);

std::string times(std::uint32_t count) {
    if (count == 1) {
        return "once";
    }
    return count == 2 ? "twice" : std::to_string(count) + " times";
}

}  // namespace

void Machine::refuse(const Input& input, Effects& effects) {
    problem_ = input.problem;
    hopeless_ = input.hopeless;
    exit_.reset();
    finished_ = now_.wall;
    afterwards_ = Afterwards::AskPolicy;
    settle(effects);
}

// Nothing of the run is left.
void Machine::settle(Effects& effects) {
    effects.run_ended = true;
    pid_.reset();
    if (!finished_) {
        finished_ = now_.wall;
    }
    effects.crashed = afterwards_ == Afterwards::AskPolicy && !ended_well() && !hopeless_;
    if (afterwards_ == Afterwards::AskPolicy) {
        actor_.clear();  // what follows is not what somebody asked for
    }
    if (spec_->post_stop.empty() || hopeless_) {
        return go_on(effects);
    }
    hook_ = false;
    set_state(State::Cleaning, "its run has ended, hooks.post_stop is next", effects);
}

// The hook gets a generation of its own: to the keeper it is one more run of this app.
void Machine::begin_hook(Effects& effects) {
    if (hook_) {
        return;
    }
    ++generation_;
    hook_ = true;
    deadline_ = later(now_.mono, spec_->stop.timeout);
    reason_ = "running hooks.post_stop";
    effects.changed = true;
    effects.hook = true;
}

void Machine::kill_hook(const Input& input, Effects& effects) {
    afterwards_ = Afterwards::StayDown;
    want_stopped(input);
    effects.changed = true;
    if (hook_) {
        effects.kill = true;
    } else {
        go_on(effects);
    }
}

void Machine::end_hook(const Input& input, Effects& effects) {
    if (!hook_) {
        return;
    }
    effects.changed = true;
    if (input.event == Event::LeaderEnded && !input.tree_gone) {
        effects.kill = true;  // what it left behind is of no use
        return;
    }
    hook_ = false;
    effects.hook_ended = true;
    go_on(effects);
}

// What follows the end of a run.
void Machine::go_on(Effects& effects) {
    switch (afterwards_) {
        case Afterwards::StayDown:
            afterwards_ = Afterwards::AskPolicy;
            return set_state(State::Stopped, "stopped" + by(actor_), effects);
        case Afterwards::StartAgain:
            attempt_ = 0;
            restarts_ = 0;
            recent_.clear();
            // The owner answers with NeedsMet, once the run is stored; until then it is known that
            // this is a restart.
            return set_state(State::Waiting,
                             "restarting" + by(actor_) +
                                 (needs_met_ ? "" : ", waiting for " + missing_),
                             effects);
        case Afterwards::AskPolicy:
            return decide(effects);
    }
}

bool Machine::ended_well() const {
    if (!problem_.empty() || !exit_ || exit_->kind == ExitKind::Unknown) {
        return false;
    }
    const auto& good = spec_->restart.success_codes;
    return std::find(good.begin(), good.end(), spmi_exit_code(exit_)) != good.end();
}

Machine::Outlook Machine::outlook() const {
    switch (afterwards_) {
        case Afterwards::StayDown:
            return Outlook::StaysDown;
        case Afterwards::StartAgain:
            return Outlook::StartsAgain;
        case Afterwards::AskPolicy:
            break;
    }
    if (stays_ended()) {
        return Outlook::HasEnded;
    }
    return spec_->restart.policy == RestartPolicy::Never || hopeless_ ? Outlook::GivesUp
                                                                      : Outlook::IsRetried;
}

// It has ended well, and its policy is content with that.
bool Machine::stays_ended() const {
    return ended_well() &&
           (spec_->restart.policy != RestartPolicy::Always || spec_->kind == AppKind::OneShot);
}

// The wall clock knows it best, unless it was set meanwhile.
Duration Machine::run_time() const {
    const Duration by_wall = *finished_ - *started_;
    const Duration longest = now_.mono - run_began_;
    return by_wall < Duration::zero() || by_wall > longest + kClocksDiffer ? longest : by_wall;
}

void Machine::decide(Effects& effects) {
    const std::string ran = finished_ && started_ ? " after " + short_duration(run_time()) : "";
    const std::string how =
        problem_.empty() ? (exit_ ? berth::describe(*exit_) : "ended") + ran : problem_;
    if (stays_ended()) {
        return set_state(State::Exited, how, effects);
    }
    retry_or_give_up(how, effects);
}

void Machine::retry_or_give_up(const std::string& how, Effects& effects) {
    pid_.reset();
    if (spec_->restart.policy == RestartPolicy::Never || hopeless_) {
        return set_state(State::Failed, how, effects);
    }
    if (!needs_met_) {
        // Without what it needs, each try would fail: none is spent.
        ++restarts_;
        return set_state(State::Waiting, how + "; waiting for " + missing_, effects);
    }
    if (now_.mono - run_began_ >= spec_->restart.reset_after) {
        attempt_ = 0;
    }
    const RestartSpec& restart = spec_->restart;
    std::erase_if(recent_, [&](MonoTime time) { return now_.mono - time > restart.window; });
    if (restart.max_restarts > 0 && recent_.size() >= restart.max_restarts) {
        return set_state(State::Failed,
                         how + "; gave up after " + std::to_string(recent_.size()) +
                             " restarts within " + short_duration(restart.window),
                         effects);
    }
    if (restart.max_restarts > 0) {
        recent_.push_back(now_.mono);
    }
    const Duration delay = backoff_delay(restart.backoff, attempt_, random_);
    ++attempt_;
    set_state(
        State::Backoff,
        how + (attempt_ > 1 && !ended_well() ? ", failed " + times(attempt_) + " in a row" : "") +
            "; next try in " + short_duration(delay),
        effects);
    deadline_ = later(now_.mono, delay);
    next_try_ = now_.wall + delay;
}

}  // namespace berth::supervisor
