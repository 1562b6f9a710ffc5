#include <signal.h>
#include <sys/wait.h>

#include "agent/backend/native/limits.h"
#include "agent/apps/registry.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::apps {

// The part of the Registry that takes in what the keeper says, first and foremost after either of
// them was away.

using keeperlink::RunFact;
using keeperlink::RunName;
using keeperlink::RunPhase;
using supervisor::Event;
using supervisor::Input;
using supervisor::State;

ExitStatus exit_status(int wait_status, bool known) {
    if (!known) {
        return {ExitKind::Unknown, 0, false};
    }
    if (WIFSIGNALED(wait_status)) {
        return {ExitKind::Signal, WTERMSIG(wait_status), WCOREDUMP(wait_status) != 0};
    }
    return {ExitKind::Code, WEXITSTATUS(wait_status), false};
}

namespace {

// Of an Exited or a RunFact.
template <class Fact>
ExitStatus end_status(const Fact& fact, const LimitsSpec& limits) {
    ExitStatus status = exit_status(fact.wait_status, fact.status_known);
    if (status.kind != ExitKind::Code) {  // one that exits by itself was not killed
        status.cause = native::cause_text(fact.cause, fact.cause_used, limits);
    }
    return status;
}

std::string start_problem(keeperlink::StartStage stage, int number, const AppSpec& spec) {
    std::string problem = std::string(keeperlink::stage_text(stage)) + " failed";
    if (stage == keeperlink::StartStage::Exec && !spec.argv.empty()) {
        problem = "cannot run \"" + spec.argv.front() + "\"";
    } else if (stage == keeperlink::StartStage::Folder) {
        problem = "cannot change to its folder \"" + spec.cwd + "\"";
    } else if (stage == keeperlink::StartStage::PreStart) {
        return "hooks.pre_start " + berth::describe(exit_status(number, /*known=*/true));
    } else if (stage == keeperlink::StartStage::KeeperDied) {
        return keeperlink::stage_text(stage);
    }
    return problem + ": " + os::error_text(number);
}

WallTime wall_time(std::int64_t ns) {
    return WallTime(Duration(ns));
}

}  // namespace

Input Registry::end_input(const RunFact& fact) const {
    Input input;
    input.generation = fact.run.generation;
    input.started = wall_time(fact.started_ns);
    const App* const app = find(fact.run.id);
    if (fact.phase == RunPhase::Failed) {
        input.event = Event::FoundFailed;
        input.problem = start_problem(
            fact.stage, fact.os_errno, app != nullptr ? *app->running_spec : AppSpec());
        return input;
    }
    input.event = Event::FoundEnded;
    input.exit = end_status(fact, app != nullptr ? app->running_spec->limits : LimitsSpec());
    input.when = wall_time(fact.ended_ns);
    input.tree_gone = fact.tree_gone;
    return input;
}

void Registry::reconcile(const RunFact& fact) {
    App* const app = find_mutable(fact.run.id);
    const bool ended = fact.phase == RunPhase::Exited || fact.phase == RunPhase::Failed;
    if (app == nullptr || fact.run.generation < app->machine.generation()) {
        if (!ended) {
            keeper_.send(keeperlink::Signal{fact.run, SIGKILL, keeperlink::SignalScope::Tree});
        }
        keeper_.send(keeperlink::Forget{fact.run});
        return;
    }
    if (fact.phase == RunPhase::Spawned && app->machine.state() == State::Spawning) {
        return;  // Started or StartFailed follows
    }
    if (!ended) {
        Input found;
        found.event = Event::FoundRunning;
        found.generation = fact.run.generation;
        found.pid = fact.pid;
        found.started = wall_time(fact.started_ns);
        feed(*app, found);
        if (fact.ready && app->check) {
            app->check->said_ready();
        }
        return;
    }
    if (app->machine.is_over(fact.run.generation)) {
        to_forget_.push_back(fact.run);
        return;
    }
    feed(*app, end_input(fact));
}

void Registry::on_snapshot(const std::vector<RunFact>& runs, std::int32_t keeper_pid) {
    keeper_gone();
    inputs_.on_lost();
    const auto stat = os::read_stat(keeper_pid);
    const std::string session = boot_id_ + "/" + std::to_string(keeper_pid) + "/" +
                                std::to_string(stat ? stat->start_ticks : 0);
    const std::string known_boot = store_.meta("boot");
    const bool booted = !known_boot.empty() && known_boot != boot_id_;
    std::set<std::string> with_facts;
    for (const RunFact& fact : runs) {
        if (booted) {
            keeper_.send(keeperlink::Forget{fact.run});
            continue;
        }
        // A fact of an earlier run says nothing of the present one: its Start may have been lost.
        const App* const app = find(fact.run.id);
        if (app != nullptr && fact.run.generation >= app->machine.generation()) {
            with_facts.insert(fact.run.id);
        }
        reconcile(fact);
    }
    for (const auto& [id, app] : apps_) {
        if (booted || with_facts.count(id) == 0) {
            Input input;
            input.event = booted ? Event::Booted : Event::FoundNothing;
            feed(*app, input);
        }
    }
    store_.set_meta("boot", boot_id_);
    // A keeper that we started ourselves carries on; one that was started before us and has not
    // seen an agent yet means a fresh start of this home.
    const std::string last = store_.meta("session");
    store_.set_meta("session", session);
    if (!std::exchange(connected_before_, true)) {
        if (last != session) {
            set_brought_up(loop_.now().wall);
            autostart();
        }
        schedules_->look();  // what fell due while we were away
    }
}

void Registry::set_brought_up(WallTime time) {
    brought_up_ = time;
    store_.set_meta("brought_up", std::to_string(time.time_since_epoch().count()));
}

void Registry::autostart() {
    for (const auto& [id, app] : apps_) {
        const State state = app->machine.state();
        const bool down =
            state == State::Stopped || state == State::Exited || state == State::Failed;
        const AppSpec& spec = app->machine.spec();
        if (down && spec.autostart && spec.schedule.cron.empty() && !app->machine.held()) {
            (void)request(id, Event::Start, {"autostart"});  // a refusal means that it runs
        }
    }
}

void Registry::on_fact(const keeperlink::Message& message) {
    const auto app_of = [this](const RunName& run) {
        App* const app = find_mutable(run.id);
        return app != nullptr && app->machine.generation() == run.generation ? app : nullptr;
    };
    Input input;
    if (const auto* started = std::get_if<keeperlink::Started>(&message)) {
        if (App* const app = app_of(started->run)) {
            input.event = Event::Spawned;
            input.pid = started->pid;
            input.when = wall_time(started->wall_ns);
            feed(*app, input);
        }
    } else if (const auto* failed = std::get_if<keeperlink::StartFailed>(&message)) {
        if (App* const app = app_of(failed->run)) {
            input.event = Event::SpawnFailed;
            input.problem = start_problem(failed->stage, failed->os_errno, *app->running_spec);
            fill_needs(*app, input);
            feed(*app, input);
        }
    } else if (const auto* exited = std::get_if<keeperlink::Exited>(&message)) {
        inputs_.on_ended(exited->run);
        if (App* const app = app_of(exited->run)) {
            input.event = Event::LeaderEnded;
            input.exit = end_status(*exited, app->running_spec->limits);
            input.when = wall_time(exited->wall_ns);
            input.tree_gone = exited->tree_gone;
            fill_needs(*app, input);
            feed(*app, input);
        }
    } else if (const auto* gone = std::get_if<keeperlink::TreeGone>(&message)) {
        if (App* const app = app_of(gone->run)) {
            input.event = Event::TreeGone;
            fill_needs(*app, input);
            feed(*app, input);
        }
    } else if (const auto* log = std::get_if<keeperlink::LogTaken>(&message)) {
        if (App* const app = app_of(log->run)) {
            app->log_note = log->trouble;
            tell(*app, log->trouble);
        }
    } else if (const auto* done = std::get_if<keeperlink::ExecDone>(&message)) {
        on_exec_done(*done);
    } else if (const auto* said = std::get_if<keeperlink::Notified>(&message)) {
        on_notified(*said);
    } else if (const auto* fact = std::get_if<RunFact>(&message)) {
        reconcile(*fact);  // the answer to a Start that was said twice
    } else if (const auto* taken = std::get_if<keeperlink::InputTaken>(&message)) {
        inputs_.on_taken(*taken);
    } else if (const auto* room = std::get_if<keeperlink::InputRoom>(&message)) {
        inputs_.on_room(room->run);
    }
}

}  // namespace berth::apps
