#pragma once

#include <span>
#include <string>

#include "agent/apps/conductor.h"
#include "agent/apps/ledger.h"
#include "agent/apps/run_care.h"
#include "agent/apps/table.h"
#include "agent/backend/backend.h"
#include "shared/loop/event_loop.h"

namespace berth::apps {

// Takes in what the backend says, first and foremost after either side was away: tells late facts
// from those of the present run, and brings the two memories together. Owned by Apps. Loop thread.
class FactIntake final : public backend::Facts {
public:
    // `begun`: after the first snapshot, when all that it says is dealt with. `standby`: why
    // nothing is to start by itself here; "": it may.
    FactIntake(loop::EventLoop& loop,
               Table& table,
               backend::Backend& backend,
               Ledger& ledger,
               RunCare& care,
               Conductor& conductor,
               std::string standby,
               std::function<void()> begun);

    void snapshot(std::span<const backend::RunFact> runs, const backend::Session& session) override;
    void queued(const backend::RunName& run, const std::string& reason) override;
    void started(const backend::RunName& run, const backend::Started& started) override;
    void start_failed(const backend::RunName& run, const backend::StartFailed& failed) override;
    void ended(const backend::RunName& run, const backend::Ended& ended) override;
    void tree_gone(const backend::RunName& run) override;
    void notified(const backend::RunName& run, const backend::Notified& said) override;

    void known_already(const backend::RunFact& fact) override { reconcile(fact); }

    void log_disturbed(const backend::RunName& run, const std::string& what) override;

    void problem_changed() override { on_problem_(); }

    [[nodiscard]] const AppSpec* spec_of(const backend::RunName& run) const override;

    // Called when Backend::problem() has changed.
    void on_problem(std::function<void()> told) { on_problem_ = std::move(told); }

private:
    App* app_of(const backend::RunName& run);
    void reconcile(const backend::RunFact& fact);

    loop::EventLoop& loop_;
    Table& table_;
    backend::Backend& backend_;
    Ledger& ledger_;
    RunCare& care_;
    Conductor& conductor_;
    std::string standby_;
    std::function<void()> begun_;
    std::function<void()> on_problem_;
    bool met_before_ = false;
};

}  // namespace berth::apps
