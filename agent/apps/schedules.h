#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "agent/apps/ledger.h"
#include "shared/base/result.h"
#include "shared/cron/cron_time.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_spec.h"
#include "shared/os/unique_fd.h"

namespace berth::apps {

// When the apps with a cron time are due. One timer on the wall clock for all; it also wakes when
// somebody sets the clock, and after the machine has slept. What fell due while nobody could run it
// is counted and told, never made up for.
class Schedules {
public:
    struct Events {
        std::function<void(const std::string& id, WallTime due)> due;
        // `count` times were missed, the last one at `last`.
        std::function<void(const std::string& id, std::size_t count, WallTime last)> missed;
    };

    static Result<std::unique_ptr<Schedules>> create(loop::EventLoop& loop,
                                                     Ledger& ledger,
                                                     Events events);

    // From now on `id` has this schedule; an empty cron time: none.
    void set(const std::string& id, const ScheduleSpec& schedule);
    void remove(const std::string& id);

    // Tells what is due and missed now, and arms the timer.
    void look();

    [[nodiscard]] std::optional<WallTime> next(const std::string& id) const;

private:
    struct Entry {
        ScheduleSpec spec;
        cron::CronTime cron;
        WallTime seen;  // what was due until then is dealt with
        std::optional<WallTime> next;
    };

    Schedules(loop::EventLoop& loop, Ledger& ledger, os::UniqueFd timer, Events events);
    void see(const std::string& id, Entry& entry, WallTime now);
    void arm();

    loop::EventLoop& loop_;
    Ledger& ledger_;
    Events events_;
    os::UniqueFd timer_;
    std::map<std::string, Entry> entries_;
    loop::Registration watch_;
};

}  // namespace berth::apps
