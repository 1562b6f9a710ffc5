#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/apps/catalog.h"
#include "agent/apps/conductor.h"
#include "agent/apps/crash_book.h"
#include "agent/apps/fact_intake.h"
#include "agent/apps/figures/sampler.h"
#include "agent/apps/ledger.h"
#include "agent/apps/run_care.h"
#include "agent/apps/scheduled_runs.h"
#include "agent/apps/table.h"
#include "agent/backend/backend.h"
#include "agent/events/stream.h"
#include "agent/store/store.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/worker_pool.h"
#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::apps {

// The apps of this home with all that knows and moves them, put together: owns the parts and their
// order of life, and ends each turn of the loop. Loop thread.
class Apps {
public:
    struct Options {
        std::string agent;  // its name
        std::string home;
        std::string figures_file;  // a week of figures; empty: they are not kept
        // This home is a copy of one that lives: nothing starts but what somebody starts here. Why,
        // in a line; "": it is not.
        std::string standby = {};
    };

    struct Owner {
        // The end of a turn in which something happened, after its commit: stream() is to be read.
        std::function<void()> happened;
        // Nothing runs any more, after shut_down().
        std::function<void()> all_down;
        // The database was put back: the next agent opens it.
        std::function<void()> begin_anew;
        // The backend hangs, or answers again: see backend().problem().
        std::function<void()> problem_changed;
    };

    // Reads what is registered. `store`, `backend` and `pool` outlive it; the backend's facts go to
    // facts().
    static Result<std::unique_ptr<Apps>> create(loop::EventLoop& loop,
                                                store::Store& store,
                                                backend::Backend& backend,
                                                loop::WorkerPool& pool,
                                                const Options& options,
                                                Owner owner);

    [[nodiscard]] const Table& table() const { return table_; }

    [[nodiscard]] Conductor& conductor() { return *conductor_; }

    [[nodiscard]] Catalog& catalog() { return *catalog_; }

    [[nodiscard]] figures::Sampler& figures() { return *figures_; }

    [[nodiscard]] Ledger& ledger() { return *ledger_; }

    [[nodiscard]] ScheduledRuns& schedules() { return *schedules_; }

    [[nodiscard]] const backend::Backend& backend() const { return backend_; }

    [[nodiscard]] const events::Stream& stream() const { return *stream_; }

    [[nodiscard]] backend::Facts& facts() { return *facts_; }

    // Null: there is none.
    [[nodiscard]] const App* find(const std::string& id) const { return table_.find(id); }

    // All that is shown of it.
    [[nodiscard]] AppStatus status(const App& app) const;

    // What it waits for, one sentence each: "db is starting: tcp …: connection refused".
    [[nodiscard]] std::vector<std::string> awaited(const App& app) const;

    // What its present or last run has written last.
    [[nodiscard]] std::vector<wire::LogLine> last_lines_of_run(const App& app,
                                                               std::size_t count) const;

    // When its last runs began, in any order: what it wrote before does not go on after.
    [[nodiscard]] std::vector<WallTime> run_starts(const std::string& id) const;

    // What people should see to: descriptors that cannot be loaded, a database that was replaced.
    [[nodiscard]] std::vector<std::string> complaints() const;

    // The end of a turn: commits, tells. Called by the loop before it sleeps; also by who ends it.
    void end_turn();

private:
    Apps(loop::EventLoop& loop,
         store::Store& store,
         backend::Backend& backend,
         loop::WorkerPool& pool,
         Options options);

    Result<void> build(Owner owner);
    void look_whether_down();

    loop::EventLoop& loop_;
    store::Store& store_;
    backend::Backend& backend_;
    loop::WorkerPool& pool_;
    Options options_;
    Owner owner_;
    Table table_;
    std::unique_ptr<events::Stream> stream_;
    std::unique_ptr<Ledger> ledger_;
    std::unique_ptr<figures::Sampler> figures_;
    std::unique_ptr<CrashBook> crashes_;
    std::unique_ptr<RunCare> care_;
    std::unique_ptr<Conductor> conductor_;
    std::unique_ptr<ScheduledRuns> schedules_;
    std::unique_ptr<Catalog> catalog_;
    std::unique_ptr<FactIntake> facts_;
    std::uint64_t told_until_ = 0;  // of the stream
    loop::Registration patience_;   // for what cannot be stored while all is down
    bool down_told_ = false;
    loop::Registration turn_hook_;
};

}  // namespace berth::apps
