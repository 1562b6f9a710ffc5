#pragma once

#include <memory>
#include <set>
#include <string>

#include "agent/apps/conductor.h"
#include "agent/apps/ledger.h"
#include "agent/apps/schedules.h"
#include "agent/apps/table.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::apps {

// Starts what is due by its schedule; what becomes of a run that is due while the one before still
// runs is the descriptor's choice. Owned by Apps. Loop thread.
class ScheduledRuns {
public:
    static Result<std::unique_ptr<ScheduledRuns>> create(loop::EventLoop& loop,
                                                         Table& table,
                                                         Ledger& ledger,
                                                         Conductor& conductor);

    void set(const std::string& id, const ScheduleSpec& schedule) { schedules_->set(id, schedule); }

    void remove(const std::string& id);

    // What fell due while we were away.
    void look() { schedules_->look(); }

    // When it is due next; nothing: it has no schedule, or that is off.
    [[nodiscard]] std::optional<WallTime> next(const App& app) const;

    // The end of a turn: runs that waited for the end of the one before.
    void begin_queued();

private:
    ScheduledRuns(Table& table, Conductor& conductor) : table_(table), conductor_(conductor) {}

    void on_due(const std::string& id, WallTime due);
    void on_missed(const std::string& id, std::size_t count, WallTime last);

    Table& table_;
    Conductor& conductor_;
    std::unique_ptr<Schedules> schedules_;
    std::set<std::string> queued_;  // whose run was due and waits
};

}  // namespace berth::apps
