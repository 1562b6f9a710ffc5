#include "agent/apps/schedules.h"

#include <utility>
#include <vector>

#include "shared/base/text.h"
#include "shared/os/wall_timer.h"

namespace berth::apps {

namespace {

// A run that is no later than this is run, not missed.
constexpr Duration kTolerance = std::chrono::seconds(60);

// A clock that was set back by less does not run again what has run.
constexpr Duration kSmallJump = std::chrono::hours(3);

constexpr std::size_t kMostCounted = 10'000;

std::string memory_key(const std::string& id) {
    return "cron/" + id;
}

}  // namespace

Schedules::Schedules(loop::EventLoop& loop, Ledger& ledger, os::UniqueFd timer, Events events)
    : loop_(loop), ledger_(ledger), events_(std::move(events)), timer_(std::move(timer)) {
    watch_ = loop_.watch(timer_.get(), loop::Interest::Read, [this](bool, bool) {
        os::clear_wall_timer(timer_);
        look();
    });
}

Result<std::unique_ptr<Schedules>> Schedules::create(loop::EventLoop& loop,
                                                     Ledger& ledger,
                                                     Events events) {
    BERTH_TRY(os::UniqueFd timer, os::make_wall_timer());
    return std::unique_ptr<Schedules>(
        new Schedules(loop, ledger, std::move(timer), std::move(events)));
}

void Schedules::set(const std::string& id, const ScheduleSpec& schedule) {
    const auto known = entries_.find(id);
    if (known != entries_.end() && known->second.spec == schedule) {
        return;
    }
    std::string fault;
    const auto cron = cron::CronTime::parse(schedule.cron, fault);
    if (schedule.cron.empty() || !cron) {  // the descriptor was checked when it was read
        remove(id);
        return;
    }
    const WallTime now = loop_.now().wall;
    Entry entry{schedule, *cron, now, std::nullopt};
    if (known == entries_.end()) {
        const auto ns = parse_integer<std::int64_t>(ledger_.meta(memory_key(id))).value_or(0);
        const WallTime seen{Duration(ns)};
        entry.seen = ns > 0 && seen < now + kSmallJump ? seen : now;
        ledger_.set_meta(memory_key(id), std::to_string(entry.seen.time_since_epoch().count()));
    }
    entry.next = entry.cron.next(entry.seen, schedule.timezone);
    entries_.insert_or_assign(id, entry);
    arm();
}

void Schedules::remove(const std::string& id) {
    if (entries_.erase(id) > 0) {
        ledger_.set_meta(memory_key(id), {});
        arm();
    }
}

void Schedules::look() {
    std::vector<std::string> ids;  // the events may change the entries
    for (const auto& [id, entry] : entries_) {
        ids.push_back(id);
    }
    const WallTime now = loop_.now().wall;
    for (const std::string& id : ids) {
        if (const auto found = entries_.find(id); found != entries_.end()) {
            see(id, found->second, now);
        }
    }
    arm();
}

void Schedules::see(const std::string& id, Entry& entry, WallTime now) {
    if (entry.seen > now + kSmallJump) {
        entry.seen = now;  // the clock was set back far
        entry.next = entry.cron.next(now, entry.spec.timezone);
    }
    std::size_t missed = 0;
    WallTime last_missed;
    std::optional<WallTime> due;
    while (entry.next && *entry.next <= now) {
        if (now - *entry.next <= kTolerance && !due) {
            due = entry.next;
        } else {
            ++missed;
            last_missed = *entry.next;
        }
        // Of very many that were missed the rest is not counted.
        const bool enough = missed == kMostCounted && now - last_missed > kTolerance;
        entry.next = entry.cron.next(enough ? now - kTolerance : *entry.next, entry.spec.timezone);
    }
    if (due || missed > 0) {
        entry.seen = now;
        ledger_.set_meta(memory_key(id), std::to_string(now.time_since_epoch().count()));
    }
    if (missed > 0) {
        events_.missed(id, missed, last_missed);
    }
    if (due) {
        events_.due(id, *due);
    }
}

void Schedules::arm() {
    std::optional<WallTime> earliest;
    for (const auto& [id, entry] : entries_) {
        if (entry.next && (!earliest || *entry.next < *earliest)) {
            earliest = entry.next;
        }
    }
    os::arm_wall_timer(timer_, earliest);
}

std::optional<WallTime> Schedules::next(const std::string& id) const {
    const auto found = entries_.find(id);
    return found == entries_.end() ? std::nullopt : found->second.next;
}

}  // namespace berth::apps
