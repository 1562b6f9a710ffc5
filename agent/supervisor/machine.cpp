#include "agent/supervisor/machine.h"

#include <algorithm>
#include <utility>

#include "shared/base/ensure.h"

namespace berth::supervisor {

namespace {

constexpr Duration kClocksDiffer = std::chrono::seconds(1);

// How far a start has come, as its reason ends.
constexpr std::string_view kReady = ", ready";
constexpr std::string_view kNotReady = ", not ready yet";
constexpr std::string_view kSettling = ", settling";
constexpr std::string_view kQueuedFor = ", waiting for ";  // and then for what

// The reason of a start without how far it has come.
std::string cause_of_start(const std::string& reason) {
    for (const std::string_view progress : {kReady, kNotReady, kSettling}) {
        if (reason.ends_with(progress)) {
            return reason.substr(0, reason.size() - progress.size());
        }
    }
    return reason.substr(0, reason.find(kQueuedFor));
}

// How long a run has lasted. The wall clock knows it best, unless it was set meanwhile.
Duration run_time(Duration by_wall, Duration longest) {
    return by_wall < Duration::zero() || by_wall > longest + kClocksDiffer ? longest : by_wall;
}

std::string times(std::uint32_t count) {
    if (count == 1) {
        return "once";
    }
    return count == 2 ? "twice" : std::to_string(count) + " times";
}

// When something happened, by the wall clock alone, as monotonic times do not outlive us; never in
// the future.
MonoTime mono_time(WallTime time, const Now& now) {
    return now.mono + (std::min(Duration::zero(), time - now.wall));
}

// It has no ready check, and counts as ready once it has lived for a while.
bool settles(const AppSpec& spec) {
    return !spec.ready.has_check() && spec.kind == AppKind::Service &&
           spec.ready.settle > Duration::zero();
}

// A run that is found then is the one that was begun.
bool is_expected(State state) {
    return state == State::Spawning || state == State::Queued || state == State::Starting ||
           state == State::Running;
}

bool is_found(Event event) {
    return event == Event::FoundQueued || event == Event::FoundRunning ||
           event == Event::FoundEnded || event == Event::FoundFailed;
}

}  // namespace

std::string by(const std::string& actor) {
    return actor.empty() ? std::string() : " by " + actor;
}

Effects Machine::step(const Input& input, const Now& now, double random) {
    now_ = now;
    random_ = random;
    missing_ = input.needs_met ? std::nullopt : std::optional(input.missing);
    Effects effects;
    const bool end = input.event == Event::FoundEnded || input.event == Event::FoundFailed;
    const bool known = (is_found(input.event) && input.generation < generation_) ||
                       (end && is_over(input.generation));
    if (!known) {
        apply(act_for(state_, input.event), input, effects);
    }
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
                want(Desired::Stopped, input);
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
        case Act::Retry:
            retries_.count();
            return wait_or_spawn(input, "restarted after a failure", effects);
        case Act::Spawn:
            return spawn(afterwards_ == Afterwards::StartAgain
                             ? "restarted" + by(actor_)
                             : (retries_.restarts() > 0 ? "restarted after a failure"
                                                        : "started" + by(actor_)) +
                                   ", what it requires is ready",
                         effects);
        case Act::Rest:
            afterwards_ = Afterwards::StayDown;
            want(Desired::Stopped, input);
            return set_state(State::Stopped, "stopped" + by(input.actor), effects);
        case Act::Queue:
            return queue(cause_of_start(reason_), input.problem, effects);
        case Act::Confirm:
            return confirm(input, effects);
        case Act::Refuse:
            return refuse(input, effects);
        case Act::BeReady:
            return set_state(
                State::Running, cause_of_start(reason_) + std::string(kReady), effects);
        case Act::Unready:
            if (state_ == State::Starting && settles(*spec_)) {
                return set_state(State::Running, cause_of_start(reason_), effects);
            }
            return fail_run((state_ == State::Spawning ? "hooks.pre_start did not end within "
                                                       : "not ready after ") +
                                short_duration(spec_->ready.timeout) +
                                (input.problem.empty() ? "" : ": " + input.problem),
                            effects);
        case Act::MarkUnhealthy:
            return fail_run(input.problem, effects);
        case Act::Halt:
            afterwards_ = Afterwards::StayDown;
            want(Desired::Stopped, input);
            return end_tree(State::Stopping, "stopping, asked" + by(actor_), effects);
        case Act::HaltAgain:
            afterwards_ = Afterwards::StartAgain;
            want(Desired::Running, input);
            return end_tree(State::Stopping, "restarting, asked" + by(actor_), effects);
        case Act::Kill:
            afterwards_ = Afterwards::StayDown;
            want(Desired::Stopped, input);
            set_state(State::Killing, "killing, asked" + by(actor_), effects);
            effects.kill = true;
            return;
        case Act::Escalate:
            set_state(State::Killing,
                      "did not end within " + short_duration(spec_->stop.timeout) + " after " +
                          signal_name(spec_->stop.signal) + ", killing its whole tree",
                      effects);
            effects.kill = true;
            return;
        case Act::StartAfter:
            afterwards_ = Afterwards::StartAgain;
            want(Desired::Running, input);
            effects.changed = true;
            return;
        case Act::StayDown:
            afterwards_ = Afterwards::StayDown;
            want(Desired::Stopped, input);
            effects.changed = true;
            return;
        case Act::LeaderEnded:
            return leader_ended(input, effects);
        case Act::LeaderEndedWhileStopping:
            note_end(input, effects);
            if (input.tree_gone) {  // else the grace time, or the kill, goes on for the others
                settle(effects);
            }
            return;
        case Act::Settle:
            return settle(effects);
        case Act::BeginHook:
            ++generation_;  // of its own: to the backend it is one more run of this app
            effects.hook = true;
            return run_hook(effects);
        case Act::SkipHook:
            afterwards_ = Afterwards::StayDown;
            want(Desired::Stopped, input);
            return go_on(effects);
        case Act::KillHook:
            afterwards_ = Afterwards::StayDown;
            want(Desired::Stopped, input);
            effects.changed = true;
            effects.kill = true;
            return;
        case Act::CutHook:
            deadline_.reset();
            effects.changed = true;
            effects.kill = true;
            return;
        case Act::EndHook:
            return end_hook(input, effects);
        case Act::TakeQueued:
            return take_queued(input, effects);
        case Act::TakeRun:
            return take_run(input, effects);
        case Act::TakeEnd:
            return take_end(input, effects);
        case Act::TakeEndWhileStopping:
            return take_end_while_stopping(input, effects);
        case Act::TakeHook:
            generation_ = input.generation;
            return run_hook(effects);
        case Act::TakeEndOfHook:
            generation_ = input.generation;
            run_hook(effects);
            return end_hook(input, effects);
        case Act::EndAgain:
            if (!knows(input)) {
                take(input);
                effects.changed = true;
            }
            return end_again(effects);
        case Act::SpawnAgain:
            effects.spawn = true;
            return;
        case Act::LoseRun:
            exit_ = exit_.value_or(ExitStatus{ExitKind::Unknown, 0, false});
            return settle(effects);
        case Act::HookAgain:
            effects.hook = true;
            return;
        case Act::EndAtBoot:
            return end_at_boot(effects);
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

void Machine::want(Desired desired, const Input& input) {
    actor_ = input.actor;
    if (!input.keep_desired) {
        desired_ = desired;
        held_ = desired == Desired::Stopped;
    }
}

// --- a run begins

void Machine::begin(const Input& input, Effects& effects) {
    want(Desired::Running, input);
    retries_.begin_anew();
    afterwards_ = Afterwards::AskPolicy;
    wait_or_spawn(input, "started" + by(input.actor), effects);
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
    exit_.reset();
    finished_.reset();
    started_ = now_.wall;
    run_began_ = now_.mono;
    set_state(State::Spawning, std::move(reason), effects);
    if (!spec_->pre_start.empty()) {
        deadline_ = now_.mono + spec_->ready.timeout;
    }
    effects.spawn = true;
}

void Machine::queue(const std::string& cause, const std::string& what_for, Effects& effects) {
    std::string reason = cause + std::string(kQueuedFor) + what_for;
    if (state_ != State::Queued || reason != reason_) {
        set_state(State::Queued, std::move(reason), effects);
    }
}

void Machine::confirm(const Input& input, Effects& effects) {
    pid_ = input.pid;
    last_pid_ = input.pid;
    started_ = input.when.value_or(now_.wall);
    run_began_ = now_.mono;
    go_live(cause_of_start(reason_), effects);
}

// It lives: Running, or first what it takes to be ready.
void Machine::go_live(const std::string& cause, Effects& effects) {
    if (spec_->ready.has_check()) {
        set_state(State::Starting, cause + std::string(kNotReady), effects);
        deadline_ = now_.mono + spec_->ready.timeout;
    } else if (settles(*spec_)) {
        set_state(State::Starting, cause + std::string(kSettling), effects);
        deadline_ = now_.mono + spec_->ready.settle;
    } else {
        set_state(State::Running, cause, effects);
    }
}

// --- a run is ended, or ends

void Machine::end_tree(State state, std::string reason, Effects& effects) {
    set_state(state, std::move(reason), effects);
    deadline_ = now_.mono + spec_->stop.timeout;
    effects.signal = spec_->stop.signal;
}

void Machine::note_end(const Input& input, Effects& effects) {
    exit_ = input.exit;
    finished_ = input.when.value_or(now_.wall);
    pid_.reset();
    effects.changed = true;
}

void Machine::leader_ended(const Input& input, Effects& effects) {
    note_end(input, effects);
    if (input.tree_gone) {
        return settle(effects);
    }
    actor_.clear();
    end_tree(State::Reaping, berth::describe(input.exit) + ", ending what it left behind", effects);
}

// The run is a failure, whatever it exits with: end its tree, then ask the policy.
void Machine::fail_run(std::string problem, Effects& effects) {
    problem_ = std::move(problem);
    afterwards_ = Afterwards::AskPolicy;
    actor_.clear();
    end_tree(State::Stopping, problem_, effects);
}

void Machine::refuse(const Input& input, Effects& effects) {
    problem_ = input.problem;
    hopeless_ = input.hopeless;
    exit_.reset();
    finished_ = now_.wall;
    settle(effects);
}

void Machine::extend(Duration by, const Now& now) {
    if (deadline_ && (state_ == State::Starting || state_ == State::Stopping)) {
        deadline_ = std::max(*deadline_, now.mono + by);
    }
}

// --- what follows the end of a run

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
    set_state(State::Storing, "its run has ended, hooks.post_stop is next", effects);
}

// generation_ is the hook's.
void Machine::run_hook(Effects& effects) {
    set_state(State::Cleaning, "running hooks.post_stop", effects);
    deadline_ = now_.mono + spec_->stop.timeout;
}

void Machine::end_hook(const Input& input, Effects& effects) {
    effects.changed = true;
    if (!input.tree_gone) {
        effects.kill = true;  // what it left behind is of no use
        return;
    }
    effects.hook_ended = true;
    go_on(effects);
}

void Machine::go_on(Effects& effects) {
    switch (afterwards_) {
        case Afterwards::StayDown:
            afterwards_ = Afterwards::AskPolicy;
            return set_state(State::Stopped, "stopped" + by(actor_), effects);
        case Afterwards::StartAgain:
            retries_.begin_anew();
            // The owner answers with NeedsMet, once the run is stored; until then it is known that
            // this is a restart.
            return set_state(
                State::Waiting,
                "restarting" + by(actor_) + (missing_ ? ", waiting for " + *missing_ : ""),
                effects);
        case Afterwards::AskPolicy:
            return decide(effects);
    }
}

void Machine::decide(Effects& effects) {
    const Duration longest = now_.mono - run_began_.value_or(MonoTime());
    const std::string ran =
        finished_ && started_
            ? " after " + short_duration(run_time(*finished_ - *started_, longest))
            : "";
    const std::string how =
        problem_.empty() ? (exit_ ? berth::describe(*exit_) : "ended") + ran + unknown_end_text()
                         : problem_;
    if (stays_ended()) {
        return set_state(State::Exited, how, effects);
    }
    retry_or_give_up(how, effects);
}

void Machine::retry_or_give_up(const std::string& how, Effects& effects) {
    const RestartSpec& restart = spec_->restart;
    if (restart.policy == RestartPolicy::Never || hopeless_ || perhaps_done()) {
        return set_state(State::Failed, how, effects);
    }
    if (missing_) {
        // Without what it needs, each try would fail: none is spent.
        retries_.count();
        return set_state(State::Waiting, how + "; waiting for " + *missing_, effects);
    }
    const std::optional<Duration> delay =
        retries_.next(restart, run_began_.value_or(MonoTime()), now_.mono, random_);
    if (!delay) {
        return set_state(State::Failed,
                         how + "; gave up after " + std::to_string(retries_.recent()) +
                             " restarts within " + short_duration(restart.window),
                         effects);
    }
    const bool again = retries_.attempt() > 1 && !ended_well();
    set_state(State::Backoff,
              how + (again ? ", failed " + times(retries_.attempt()) + " in a row" : "") +
                  "; next try in " + short_duration(*delay),
              effects);
    deadline_ = now_.mono + *delay;
    next_try_ = now_.wall + *delay;
}

bool Machine::ended_well() const {
    return problem_.empty() && is_success(spec_->restart, exit_);
}

// A oneshot whose end nobody saw: it may have done its work, so it is not run again by itself.
bool Machine::perhaps_done() const {
    return problem_.empty() && exit_ && exit_->kind == ExitKind::Unknown &&
           spec_->kind == AppKind::OneShot && !spec_->restart.unknown;
}

// What an end that nobody saw counts as, where that is not what is usual; "" of other ends.
std::string Machine::unknown_end_text() const {
    if (perhaps_done()) {
        return "; a oneshot whose end nobody saw is not run again by itself";
    }
    if (!exit_ || exit_->kind != ExitKind::Unknown || !spec_->restart.unknown) {
        return {};
    }
    return "; restart.unknown counts that as a " +
           std::string(kUnknownEndNames.name(*spec_->restart.unknown));
}

// It has ended well, and its policy is content with that.
bool Machine::stays_ended() const {
    return ended_well() &&
           (spec_->restart.policy != RestartPolicy::Always || spec_->kind == AppKind::OneShot);
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
    return spec_->restart.policy == RestartPolicy::Never || hopeless_ || perhaps_done()
               ? Outlook::GivesUp
               : Outlook::IsRetried;
}

// --- the agent, or the backend, was away

void Machine::recall(const Memory& memory, const Now& now) {
    now_ = now;
    state_ = memory.state;
    desired_ = memory.desired;
    generation_ = memory.generation;
    since_ = memory.since;
    reason_ = memory.reason;
    retries_.recall(memory.attempt, memory.restarts, memory.recent, now);
    last_pid_ = memory.last_pid;
    started_ = memory.started;
    finished_ = memory.finished;
    exit_ = memory.exit;
    held_ = memory.held;
    problem_ = memory.problem;
    actor_ = memory.actor;
    afterwards_ = memory.start_after                   ? Afterwards::StartAgain
                  : memory.desired == Desired::Stopped ? Afterwards::StayDown
                                                       : Afterwards::AskPolicy;
    const bool ending = state_ == State::Stopping || state_ == State::Killing;
    if (ending && afterwards_ == Afterwards::AskPolicy && problem_.empty()) {
        problem_ = reason_;  // it is wanted but was being ended: a failure, not its own end
    }
    if (state_ == State::Spawning && !spec_->pre_start.empty()) {
        deadline_ = now.mono + spec_->ready.timeout;
    }
    if (state_ == State::Cleaning) {
        deadline_ = now.mono + spec_->stop.timeout;
    }
    if (state_ == State::Backoff) {
        const Duration delay = retries_.present(spec_->restart);
        deadline_ = now.mono + delay;
        next_try_ = now.wall + delay;
    }
}

Machine::Memory Machine::memory() const {
    return {.state = state_,
            .desired = desired_,
            .generation = generation_,
            .since = since_,
            .reason = reason_,
            .restarts = retries_.restarts(),
            .attempt = retries_.attempt(),
            .last_pid = last_pid_,
            .started = started_,
            .finished = finished_,
            .exit = exit_,
            .start_after = afterwards_ == Afterwards::StartAgain,
            .held = held_,
            .problem = problem_,
            .actor = actor_,
            .recent = retries_.recent_times(now_)};
}

// It is the run that this agent has begun, or has met before.
bool Machine::knows(const Input& found) const {
    return run_began_ && generation_ == found.generation && pid_ == found.pid;
}

// The run that was found is the present one, whatever was thought before.
void Machine::take(const Input& found) {
    if (found.generation > generation_) {
        problem_.clear();
        hopeless_ = false;
    }
    generation_ = found.generation;
    pid_ = found.pid;
    if (pid_) {
        last_pid_ = pid_;
    }
    if (found.event != Event::FoundFailed || found.started != WallTime()) {
        started_ = found.started;  // one that failed before it began has no time of that
        run_began_ = mono_time(found.started, now_);
    }
    finished_.reset();
    exit_.reset();
}

void Machine::take_queued(const Input& found, Effects& effects) {
    take(found);
    if (desired_ == Desired::Stopped) {
        afterwards_ = Afterwards::StayDown;
        return end_tree(State::Stopping, "found in a queue, but it is not wanted", effects);
    }
    afterwards_ = Afterwards::AskPolicy;
    queue(is_expected(state_) ? cause_of_start(reason_) : "found", found.problem, effects);
}

void Machine::take_run(const Input& found, Effects& effects) {
    const bool lives = state_ == State::Starting || state_ == State::Running;
    if (lives && knows(found)) {
        return;  // only the link to it was lost
    }
    take(found);
    if (desired_ == Desired::Stopped) {
        afterwards_ = Afterwards::StayDown;
        return end_tree(State::Stopping, "found running, but it is not wanted", effects);
    }
    afterwards_ = Afterwards::AskPolicy;
    if (state_ == State::Running) {
        effects.changed = true;
        return;
    }
    go_live(is_expected(state_) ? cause_of_start(reason_) : "found running", effects);
}

void Machine::take_end(const Input& found, Effects& effects) {
    take(found);
    if (!has_run(state_)) {
        set_state(State::Running, "found ended", effects);  // it did, unheard of
    }
    afterwards_ = desired_ == Desired::Stopped ? Afterwards::StayDown : Afterwards::AskPolicy;
    if (found.event == Event::FoundFailed) {
        refuse(found, effects);
    } else {
        leader_ended(found, effects);
    }
}

void Machine::take_end_while_stopping(const Input& found, Effects& effects) {
    take(found);
    if (found.event == Event::FoundFailed) {
        return settle(effects);
    }
    note_end(found, effects);
    if (found.tree_gone) {
        settle(effects);
    } else {
        end_again(effects);
    }
}

// The keeper that was told to end the tree may have died before it did.
void Machine::end_again(Effects& effects) {
    if (state_ == State::Killing) {
        effects.kill = true;
        return;
    }
    deadline_ = now_.mono + spec_->stop.timeout;
    effects.signal = spec_->stop.signal;
}

void Machine::end_at_boot(Effects& effects) {
    pid_.reset();
    if (state_ == State::Cleaning) {
        effects.hook_ended = true;
    } else if (has_run(state_)) {
        effects.run_ended = true;
        exit_ = exit_.value_or(ExitStatus{ExitKind::Unknown, 0, false});
        finished_ = finished_.value_or(now_.wall);
    }
    set_state(State::Stopped, "ended when this machine was shut down", effects);
    afterwards_ = Afterwards::AskPolicy;
}

// --- what there is to know

bool Machine::is_over(std::uint64_t generation) const {
    return generation == generation_ && !has_run(state_) && state_ != State::Cleaning;
}

void Machine::clock_set(Duration by) {
    since_ += by;
    for (std::optional<WallTime>* const time : {&started_, &finished_, &next_try_}) {
        if (*time) {
            **time += by;
        }
    }
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
    status.restarts = retries_.restarts();
}

}  // namespace berth::supervisor
