#include "agent/supervisor/machine.h"

#include <algorithm>
#include <utility>

#include "agent/supervisor/later.h"
#include "agent/supervisor/words.h"
#include "shared/base/ensure.h"

namespace berth::supervisor {

namespace {

constexpr std::string_view kNotReady = ", not ready yet";
constexpr std::string_view kSettling = ", settling";

// The reason of a start without how far it has come.
std::string cause_of_start(const std::string& reason) {
    for (const std::string_view progress : {kNotReady, kSettling}) {
        if (reason.ends_with(progress)) {
            return reason.substr(0, reason.size() - progress.size());
        }
    }
    return reason;
}

}  // namespace

Effects Machine::step(const Input& input, const Now& now, double random) {
    now_ = now;
    random_ = random;
    needs_met_ = input.needs_met;
    missing_ = input.missing;
    Effects effects;
    apply(act_for(state_, input.event), input, effects);
    return effects;
}

void Machine::apply(Act act, const Input& input, Effects& effects) {
    switch (act) {
        case Act::Missing:
            ENSURE(false, "the table is complete, checked at compile time");
            return;
        case Act::Ignore:
            return;
        case Act::RejectActive:
            effects.rejected = true;
            effects.reason = "must be inactive";
            return;
        case Act::RejectInactive:
            if (input.event == Event::Stop && !spec_->schedule.cron.empty() && !held_) {
                want_stopped(input);
                return set_state(
                    State::Stopped,
                    "stopped" + by(input.actor) + "; its schedule is off until it is started",
                    effects);
            }
            effects.rejected = true;
            effects.reason = "must be active";
            return;
        case Act::Begin:
            return begin(input, effects);
        case Act::Wait:
            ++restarts_;
            return wait_or_spawn(input, "restarted after a failure", effects);
        case Act::Spawn:
            return spawn(reason_to_spawn(), effects);
        case Act::Rest:
            afterwards_ = Afterwards::StayDown;
            want_stopped(input);
            return set_state(State::Stopped, "stopped" + by(input.actor), effects);
        case Act::Confirm:
            return confirm(input, effects);
        case Act::Refuse:
            return refuse(input, effects);
        case Act::BeReady:
            return set_state(State::Running, cause_of_start(reason_) + ", ready", effects);
        case Act::Unready:
            if (state_ == State::Starting && settles()) {
                return set_state(State::Running, cause_of_start(reason_), effects);
            }
            return fail_run((state_ == State::Spawning ? "hooks.pre_start did not end within "
                                                       : "not ready after ") +
                                short_duration(spec_->ready.timeout) +
                                (input.problem.empty() ? "" : ": " + input.problem),
                            effects);
        case Act::Sicken:
            return fail_run(input.problem, effects);
        case Act::Halt:
            afterwards_ = Afterwards::StayDown;
            want_stopped(input);
            return halt(input, effects);
        case Act::HaltAgain:
            afterwards_ = Afterwards::StartAgain;
            desired_ = Desired::Running;
            held_ = false;
            return halt(input, effects);
        case Act::Slay:
            return slay(input, effects);
        case Act::Escalate:
            set_state(State::Killing,
                      "did not end within " + short_duration(spec_->stop.timeout) + " after " +
                          signal_name(spec_->stop.signal) + ", killing its whole tree",
                      effects);
            effects.kill = true;
            return;
        case Act::StartAfter:
            afterwards_ = Afterwards::StartAgain;
            desired_ = Desired::Running;
            held_ = false;
            actor_ = input.actor;
            effects.changed = true;
            return;
        case Act::StayDown:
            afterwards_ = Afterwards::StayDown;
            want_stopped(input);
            effects.changed = true;
            return;
        case Act::Bury:
        case Act::Mourn:
            return leader_ended(input, effects);
        case Act::Settle:
            return settle(effects);
        case Act::BeginHook:
            return begin_hook(effects);
        case Act::KillHook:
            return kill_hook(input, effects);
        case Act::CutHook:
            deadline_.reset();
            effects.changed = true;
            effects.kill = true;
            return;
        case Act::EndHook:
            return end_hook(input, effects);
    }
}

// The one place where the state changes. Drops the deadline of the old state.
void Machine::set_state(State state, std::string reason, Effects& effects) {
    if (state_ != state) {
        since_ = now_.wall;
    }
    state_ = state;
    reason_ = std::move(reason);
    deadline_.reset();
    next_try_.reset();
    effects.changed = true;
}

void Machine::clock_set(Duration by) {
    since_ += by;
    for (std::optional<WallTime>* const time : {&started_, &finished_, &next_try_}) {
        if (*time) {
            **time += by;
        }
    }
}

void Machine::want_stopped(const Input& input) {
    actor_ = input.actor;
    if (!input.keep_desired) {
        desired_ = Desired::Stopped;
        held_ = true;
    }
}

void Machine::begin(const Input& input, Effects& effects) {
    desired_ = Desired::Running;
    held_ = false;
    actor_ = input.actor;
    attempt_ = 0;
    restarts_ = 0;
    recent_.clear();
    afterwards_ = Afterwards::AskPolicy;
    wait_or_spawn(input, "started" + by(input.actor), effects);
}

// Of a run that waited for what it requires.
std::string Machine::reason_to_spawn() const {
    if (afterwards_ == Afterwards::StartAgain) {
        return "restarted" + by(actor_);
    }
    return (restarts_ > 0 ? "restarted after a failure" : "started" + by(actor_)) +
           ", what it requires is ready";
}

void Machine::wait_or_spawn(const Input& input, std::string reason, Effects& effects) {
    if (input.needs_met) {
        spawn(std::move(reason), effects);
    } else {
        set_state(State::Waiting, "waiting for " + input.missing, effects);
    }
}

void Machine::spawn(std::string reason, Effects& effects) {
    ++generation_;
    afterwards_ = Afterwards::AskPolicy;
    problem_.clear();
    hopeless_ = false;
    hook_ = false;
    exit_.reset();
    finished_.reset();
    started_ = now_.wall;
    run_began_ = now_.mono;
    set_state(State::Spawning, std::move(reason), effects);
    if (!spec_->pre_start.empty()) {
        deadline_ = later(now_.mono, spec_->ready.timeout);
    }
    effects.spawn = true;
}

void Machine::confirm(const Input& input, Effects& effects) {
    pid_ = input.pid;
    last_pid_ = input.pid;
    started_ = input.when ? input.when : now_.wall;
    run_began_ = now_.mono;
    const std::string cause = cause_of_start(reason_);
    if (spec_->ready.has_check()) {
        set_state(State::Starting, cause + std::string(kNotReady), effects);
        deadline_ = later(now_.mono, spec_->ready.timeout);
    } else if (settles()) {
        set_state(State::Starting, cause + std::string(kSettling), effects);
        deadline_ = later(now_.mono, spec_->ready.settle);
    } else {
        set_state(State::Running, cause, effects);
    }
}

void Machine::halt(const Input& input, Effects& effects) {
    actor_ = input.actor;
    const bool again = afterwards_ == Afterwards::StartAgain;
    set_state(
        State::Stopping, (again ? "restarting, asked" : "stopping, asked") + by(actor_), effects);
    deadline_ = later(now_.mono, spec_->stop.timeout);
    effects.signal = spec_->stop.signal;
}

void Machine::slay(const Input& input, Effects& effects) {
    actor_ = input.actor;
    afterwards_ = Afterwards::StayDown;
    want_stopped(input);
    set_state(State::Killing, "killing, asked" + by(actor_), effects);
    effects.kill = true;
}

void Machine::leader_ended(const Input& input, Effects& effects) {
    exit_ = input.exit;
    finished_ = input.when ? input.when : now_.wall;
    pid_.reset();
    effects.changed = true;
    if (input.tree_gone) {
        return settle(effects);
    }
    if (state_ == State::Stopping || state_ == State::Killing || state_ == State::Reaping) {
        return;  // the grace time, or the kill, goes on for the others
    }
    afterwards_ = Afterwards::AskPolicy;
    actor_.clear();
    set_state(
        State::Reaping, berth::describe(input.exit) + ", ending what it left behind", effects);
    deadline_ = later(now_.mono, spec_->stop.timeout);
    effects.signal = spec_->stop.signal;
}

// The run is a failure, whatever it exits with: end its tree, then ask the policy.
void Machine::fail_run(std::string problem, Effects& effects) {
    problem_ = std::move(problem);
    afterwards_ = Afterwards::AskPolicy;
    actor_.clear();
    set_state(State::Stopping, problem_, effects);
    deadline_ = later(now_.mono, spec_->stop.timeout);
    effects.signal = spec_->stop.signal;
}

void Machine::extend(Duration by, const Now& now) {
    if (deadline_ && (state_ == State::Starting || state_ == State::Stopping)) {
        deadline_ = std::max(*deadline_, later(now.mono, by));
    }
}

bool Machine::is_over(std::uint64_t generation) const {
    return generation == generation_ &&
           (!is_active(public_state(state_)) || (state_ == State::Cleaning && !hook_));
}

// It has no ready check, and counts as ready once it has lived for a while.
bool Machine::settles() const {
    return !spec_->ready.has_check() && spec_->kind == AppKind::Service &&
           spec_->ready.settle > Duration::zero();
}

void Machine::describe(AppStatus& status) const {
    status.state = public_state(state_);
    status.desired = desired_;
    status.since = since_;
    status.reason = reason_;
    status.actor = actor_;
    status.pid = pid_;
    status.last_pid = last_pid_;
    status.started = started_;
    status.finished = finished_;
    status.exit = exit_;
    status.next_try = next_try_;
    status.restarts = restarts_;
}

}  // namespace berth::supervisor
