#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/time/clock.h"

namespace berth::cron {

// A cron time: minute, hour, day of the month, month, day of the week, as crontab(5) of Debian's
// cron has them, names of months and days and @daily and its kin included. When both days are
// restricted, either matches.
class CronTime {
public:
    // Nothing when `text` is none; then `fault` says what is wrong with it.
    static std::optional<CronTime> parse(std::string_view text, std::string& fault);

    // The first matching time after `after` in the zone ("Europe/Berlin"; "": this machine's). A
    // time that a change to summer time skips falls due when the clock has jumped; one that the
    // change back repeats falls due once, the first time. Nothing: within eight years there is none
    // (30 February), or the zone is unknown.
    [[nodiscard]] std::optional<WallTime> next(WallTime after, const std::string& zone) const;

private:
    [[nodiscard]] bool matches_day(unsigned month, unsigned day, unsigned weekday) const;

    // A bit for each value.
    std::uint64_t minutes_ = 0;
    std::uint64_t hours_ = 0;
    std::uint64_t days_ = 0;
    std::uint64_t months_ = 0;
    std::uint64_t weekdays_ = 0;  // 0: Sunday
    bool any_day_ = false;
    bool any_weekday_ = false;
};

// "2026-11-30 03:00:00 Europe/Berlin": as the clocks of that zone show it, which is named. "": of
// this machine's.
std::string in_zone(WallTime time, const std::string& name);

// Whether this machine knows a zone of this name.
bool is_time_zone(const std::string& name);

}  // namespace berth::cron
