#include <utility>

#include "agent/apps/registry.h"
#include "shared/cron/cron_time.h"

namespace berth::apps {

// The part of the Registry that starts what its schedule or its turn asks for.

using supervisor::Event;
using supervisor::Input;
using supervisor::State;

void Registry::on_due(const std::string& id, WallTime due) {
    App* const app = find_mutable(id);
    if (app == nullptr || app->machine.held() || shutting_down_) {
        return;  // somebody has stopped it: its schedule is off
    }
    const Actor actor{"its schedule"};
    const std::string when = cron::in_zone(due, app->machine.spec().schedule.timezone);
    if (!app->machine.occupied()) {
        (void)request(id, Event::Start, actor);  // why it cannot start is its state then
        return;
    }
    switch (app->machine.spec().schedule.overlap) {
        case ScheduleOverlap::Skip:
            return tell(*app, "the run of " + when + " was skipped, the one before still runs");
        case ScheduleOverlap::Queue:
            app->queued = true;
            expectant_.insert(id);
            return tell(*app, "the run of " + when + " waits for the end of the one before");
        case ScheduleOverlap::Kill:
            (void)request(id, Event::Restart, actor);
            return;
    }
}

void Registry::on_missed(const std::string& id, std::size_t count, WallTime last) {
    const App* const app = find(id);
    if (app == nullptr || app->machine.held()) {
        return;
    }
    tell(*app,
         std::to_string(count) + (count == 1 ? " run was" : " runs were") +
             " missed while the agent or this machine was away, the last one of " +
             cron::in_zone(last, app->machine.spec().schedule.timezone));
}

// Apps that wait begin when what they wait for is there: what they require, the end of their last
// run in the store, or the end of the run before theirs.
void Registry::look_after_expectant() {
    for (const std::string& id : std::exchange(expectant_, {})) {
        App* const app = find_mutable(id);
        if (app == nullptr) {
            continue;
        }
        Input input;
        fill_needs(*app, input);
        const bool active = app->machine.occupied();
        const bool to_be_stored = app->machine.state() == State::Storing;
        const bool to_be_met = app->machine.state() == State::Waiting;
        if ((to_be_stored && store_broken_) || (to_be_met && !input.needs_met)) {
            expectant_.insert(id);
        } else if (to_be_stored || (to_be_met && !shutting_down_)) {
            input.event = to_be_stored ? Event::RunStored : Event::NeedsMet;
            feed(*app, input);
        } else if (app->queued && !active) {
            app->queued = false;
            if (!app->machine.held() && !shutting_down_) {
                (void)request(id, Event::Start, {"its schedule"});
            }
        } else if (app->queued) {
            expectant_.insert(id);
        }
    }
}

}  // namespace berth::apps
