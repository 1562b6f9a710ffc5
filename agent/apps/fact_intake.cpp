#include "agent/apps/fact_intake.h"

#include <signal.h>

#include <set>
#include <utility>

namespace berth::apps {

using backend::RunFact;
using backend::RunName;
using supervisor::Event;
using supervisor::Input;
using supervisor::State;

namespace {

Input found_input(const RunFact& fact) {
    Input input;
    input.generation = fact.run.generation;
    input.started = fact.started;
    switch (fact.phase) {
        case RunFact::Phase::Queued:
            input.event = Event::FoundQueued;
            input.problem = fact.problem;
            break;
        case RunFact::Phase::Accepted:
        case RunFact::Phase::Running:
            input.event = Event::FoundRunning;
            input.pid = fact.pid;
            break;
        case RunFact::Phase::Failed:
            input.event = Event::FoundFailed;
            input.problem = fact.problem;
            break;
        case RunFact::Phase::Ended:
            input.event = Event::FoundEnded;
            input.exit = fact.end.exit;
            input.when = fact.end.when;
            input.tree_gone = fact.end.tree_gone;
            break;
    }
    return input;
}

}  // namespace

FactIntake::FactIntake(loop::EventLoop& loop,
                       Table& table,
                       backend::Backend& backend,
                       Ledger& ledger,
                       RunCare& care,
                       Conductor& conductor,
                       std::string standby,
                       std::function<void()> begun)
    : loop_(loop),
      table_(table),
      backend_(backend),
      ledger_(ledger),
      care_(care),
      conductor_(conductor),
      standby_(std::move(standby)),
      begun_(std::move(begun)) {}

App* FactIntake::app_of(const RunName& run) {
    App* const app = table_.find(run.id);
    return app != nullptr && app->machine.generation() == run.generation ? app : nullptr;
}

const AppSpec* FactIntake::spec_of(const RunName& run) const {
    const App* const app = table_.find(run.id);
    return app != nullptr ? app->running_spec.get() : nullptr;
}

void FactIntake::queued(const RunName& run, const std::string& reason) {
    if (App* const app = app_of(run)) {
        Input input;
        input.event = Event::Queued;
        input.problem = reason;
        conductor_.feed(*app, std::move(input));
    }
}

void FactIntake::started(const RunName& run, const backend::Started& started) {
    if (App* const app = app_of(run)) {
        Input input;
        input.event = Event::Spawned;
        input.pid = started.pid;
        input.when = started.when;
        conductor_.feed(*app, std::move(input));
    }
}

void FactIntake::start_failed(const RunName& run, const backend::StartFailed& failed) {
    if (App* const app = app_of(run)) {
        Input input;
        input.event = Event::SpawnFailed;
        input.problem = failed.problem;
        conductor_.feed(*app, std::move(input));
    }
}

void FactIntake::ended(const RunName& run, const backend::Ended& ended) {
    if (App* const app = app_of(run)) {
        Input input;
        input.event = Event::LeaderEnded;
        input.exit = ended.exit;
        input.when = ended.when;
        input.tree_gone = ended.tree_gone;
        conductor_.feed(*app, std::move(input));
    }
}

void FactIntake::tree_gone(const RunName& run) {
    if (App* const app = app_of(run)) {
        Input input;
        input.event = Event::TreeGone;
        conductor_.feed(*app, std::move(input));
    }
}

void FactIntake::notified(const RunName& run, const backend::Notified& said) {
    App* const app = app_of(run);
    if (app == nullptr) {
        return;
    }
    if (said.extend > Duration::zero()) {
        conductor_.extend(*app, said.extend);
    }
    if (!said.status.empty() && said.status != app->status_text) {
        app->status_text = said.status;
        conductor_.shown(run.id);
    }
    care_.said(run.id, said);
}

void FactIntake::log_disturbed(const RunName& run, const std::string& what) {
    if (App* const app = app_of(run)) {
        app->log_note = what;
        conductor_.remark(*app, what);
    }
}

void FactIntake::reconcile(const RunFact& fact) {
    App* const app = table_.find(fact.run.id);
    const bool ended = fact.phase == RunFact::Phase::Ended || fact.phase == RunFact::Phase::Failed;
    if (app == nullptr || fact.run.generation < app->machine.generation()) {
        if (!ended) {
            backend_.signal(fact.run, SIGKILL, backend::Scope::Tree);
        }
        return backend_.forget(fact.run);
    }
    if (fact.phase == RunFact::Phase::Accepted && app->machine.state() == State::Spawning) {
        return;  // what came of it follows
    }
    if (ended && app->machine.is_over(fact.run.generation)) {
        return ledger_.forget(fact.run);
    }
    conductor_.feed(*app, found_input(fact));
    if (fact.ready && !ended) {
        backend::Notified said;
        said.ready = true;
        care_.said(fact.run.id, said);
    }
}

void FactIntake::snapshot(std::span<const RunFact> runs, const backend::Session& session) {
    care_.was_deaf();
    const std::string known_boot = ledger_.meta("boot");
    const bool booted = !known_boot.empty() && known_boot != session.boot;
    std::set<std::string> with_facts;
    for (const RunFact& fact : runs) {
        if (booted) {
            backend_.forget(fact.run);
            continue;
        }
        // A fact of an earlier run says nothing of the present one: its start may have been lost.
        const App* const app = table_.find(fact.run.id);
        if (app != nullptr && fact.run.generation >= app->machine.generation()) {
            with_facts.insert(fact.run.id);
        }
        reconcile(fact);
    }
    for (const auto& [id, app] : table_.all()) {
        if (!standby_.empty() && !met_before_ && with_facts.count(id) == 0) {
            conductor_.set_aside(*app, standby_);
        } else if (booted || with_facts.count(id) == 0) {
            Input input;
            input.event = booted ? Event::Booted : Event::FoundNothing;
            conductor_.feed(*app, std::move(input));
        }
    }
    ledger_.set_meta("boot", session.boot);
    if (!standby_.empty()) {
        met_before_ = true;
        return begun_();  // the first session that may start things is still to come
    }
    // A session that we began ourselves carries on; one that was begun before us and has not seen
    // an agent yet means a fresh start of this home.
    const std::string last = ledger_.meta("session");
    ledger_.set_meta("session", session.id);
    if (!std::exchange(met_before_, true)) {
        if (last != session.id) {
            conductor_.set_brought_up(loop_.now().wall);
            conductor_.autostart();
        }
        begun_();
    }
}

}  // namespace berth::apps
