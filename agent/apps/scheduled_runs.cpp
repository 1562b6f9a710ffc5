#include "agent/apps/scheduled_runs.h"

#include <utility>

#include "shared/cron/cron_time.h"

namespace berth::apps {

namespace {

Actor schedule() {
    return {"its schedule"};
}

}  // namespace

Result<std::unique_ptr<ScheduledRuns>> ScheduledRuns::create(loop::EventLoop& loop,
                                                             Table& table,
                                                             Ledger& ledger,
                                                             Conductor& conductor) {
    std::unique_ptr<ScheduledRuns> runs(new ScheduledRuns(table, conductor));
    ScheduledRuns& self = *runs;
    BERTH_TRY(
        self.schedules_,
        Schedules::create(loop,
                          ledger,
                          {[&self](const std::string& id, WallTime due) { self.on_due(id, due); },
                           [&self](const std::string& id, std::size_t count, WallTime last) {
                               self.on_missed(id, count, last);
                           }}));
    return runs;
}

void ScheduledRuns::remove(const std::string& id) {
    queued_.erase(id);
    schedules_->remove(id);
}

std::optional<WallTime> ScheduledRuns::next(const App& app) const {
    return app.machine.held() ? std::nullopt : schedules_->next(app.id());
}

void ScheduledRuns::on_due(const std::string& id, WallTime due) {
    const App* const app = table_.find(id);
    if (app == nullptr || app->machine.held() || conductor_.shutting_down()) {
        return;  // somebody has stopped it: its schedule is off
    }
    const std::string when = cron::in_zone(due, app->spec().schedule.timezone);
    if (!app->machine.occupied()) {
        (void)conductor_.start(id, schedule());  // why it cannot start is its state then
        return;
    }
    switch (app->spec().schedule.overlap) {
        case ScheduleOverlap::Skip:
            return conductor_.remark(
                *app, "the run of " + when + " was skipped, the one before still runs");
        case ScheduleOverlap::Queue:
            queued_.insert(id);
            return conductor_.remark(*app,
                                     "the run of " + when + " waits for the end of the one before");
        case ScheduleOverlap::Kill:
            (void)conductor_.restart(id, schedule());
            return;
    }
}

void ScheduledRuns::on_missed(const std::string& id, std::size_t count, WallTime last) {
    const App* const app = table_.find(id);
    if (app == nullptr || app->machine.held()) {
        return;
    }
    conductor_.remark(*app,
                      std::to_string(count) + (count == 1 ? " run was" : " runs were") +
                          " missed while the agent or this machine was away, the last one of " +
                          cron::in_zone(last, app->spec().schedule.timezone));
}

void ScheduledRuns::begin_queued() {
    for (const std::string& id : std::exchange(queued_, {})) {
        const App* const app = table_.find(id);
        if (app == nullptr) {
            continue;
        }
        // It goes on when nothing of the run before is left, and that is stored.
        if (app->machine.occupied()) {
            queued_.insert(id);
        } else if (!app->machine.held() && !conductor_.shutting_down()) {
            (void)conductor_.start(id, schedule());
        }
    }
}

}  // namespace berth::apps
