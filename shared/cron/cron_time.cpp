#include "shared/cron/cron_time.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <vector>

#include "shared/base/text.h"

namespace berth::cron {

namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr int kSearchDays = 8 * 366;  // 29 February comes within eight years, also around 2100

struct Field {
    std::string_view name;
    int low;
    int high;
    std::span<const std::string_view> names;  // the first one stands for `low`
};

constexpr std::array<Field, 5> kFields = {{{"minute", 0, 59, {}},
                                           {"hour", 0, 23, {}},
                                           {"day of the month", 1, 31, {}},
                                           {"month", 1, 12, kMonths},
                                           {"day of the week", 0, 7, kDays}}};

std::optional<int> number_of(std::string_view text) {
    const auto number = parse_integer<int>(text);
    return number && *number >= 0 && !text.starts_with('-') ? number : std::nullopt;
}

std::optional<int> value_of(std::string_view text, const Field& field) {
    const auto named = std::find(field.names.begin(), field.names.end(), to_lower(text));
    const std::optional<int> value =
        named == field.names.end()
            ? number_of(text)
            : std::optional<int>(field.low + static_cast<int>(named - field.names.begin()));
    return value && *value >= field.low && *value <= field.high ? value : std::nullopt;
}

// The values of one item of a field's list (*, 5, mon-fri, */15, 10-30/5) as bits.
std::optional<std::uint64_t> item_bits(std::string_view text, const Field& field) {
    int step = 1;
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos) {
        const std::optional<int> given = number_of(text.substr(slash + 1));
        if (!given || *given < 1 || *given > field.high) {
            return std::nullopt;
        }
        step = *given;
        text = text.substr(0, slash);
    }
    int first = field.low;
    int last = field.high;
    if (text != "*") {
        const std::size_t dash = text.find('-');
        const std::optional<int> from = value_of(text.substr(0, dash), field);
        const std::optional<int> to =
            dash == std::string_view::npos ? from : value_of(text.substr(dash + 1), field);
        const bool single_with_step = dash == std::string_view::npos && step > 1;
        if (!from || !to || *from > *to || single_with_step) {
            return std::nullopt;
        }
        first = *from;
        last = *to;
    }
    std::uint64_t bits = 0;
    for (int value = first; value <= last; value += step) {
        bits |= std::uint64_t{1} << static_cast<unsigned>(value);
    }
    return bits;
}

bool has(std::uint64_t bits, unsigned value) {
    return (bits >> value & 1U) != 0;
}

const date::time_zone* find_zone(const std::string& name) {
    try {
        return name.empty() ? date::current_zone() : date::locate_zone(name);
    } catch (const std::runtime_error&) {
        return nullptr;
    }
}

// The moment of a local time: the earlier of two, the end of the gap for one that is left out.
WallTime moment(const date::time_zone& zone, date::local_time<Duration> local) {
    const date::local_info info = zone.get_info(local);
    if (info.result == date::local_info::nonexistent) {
        return WallTime(info.second.begin.time_since_epoch());
    }
    return WallTime(local.time_since_epoch() - info.first.offset);
}

}  // namespace

std::string in_zone(WallTime time, const std::string& name) {
    const date::time_zone* const zone = find_zone(name);
    if (zone == nullptr) {
        return rfc3339_utc(time, 0);
    }
    const auto local = zone->to_local(
        date::sys_seconds(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch())));
    return date::format("%F %T ", local) +
           (name.empty() ? zone->get_info(date::sys_time<Duration>(time.time_since_epoch())).abbrev
                         : name);
}

std::optional<CronTime> CronTime::parse(std::string_view text, std::string& fault) {
    // The words of crontab(5).
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kWords = {
        {{"@yearly", "0 0 1 1 *"},
         {"@annually", "0 0 1 1 *"},
         {"@monthly", "0 0 1 * *"},
         {"@weekly", "0 0 * * 0"},
         {"@daily", "0 0 * * *"},
         {"@midnight", "0 0 * * *"},
         {"@hourly", "0 * * * *"}}};
    text = trim(text);
    if (text.starts_with('@')) {
        std::string known;
        for (const auto& [word, meaning] : kWords) {
            if (text == word) {
                return parse(meaning, fault);
            }
            known += (known.empty() ? "" : ", ") + std::string(word);
        }
        fault = text == "@reboot" ? "app.autostart = true is what @reboot means here"
                                  : fmt::format("\"{}\" is none of {}", printable(text), known);
        return std::nullopt;
    }
    std::vector<std::string_view> fields;
    for (const std::string_view piece : split(text, ' ')) {
        if (!trim(piece).empty()) {
            fields.push_back(trim(piece));
        }
    }
    if (fields.size() != kFields.size()) {
        fault = fmt::format("it has {} fields, not 5", fields.size());
        return std::nullopt;
    }
    std::array<std::uint64_t, kFields.size()> bits{};
    for (std::size_t i = 0; i < kFields.size(); ++i) {
        for (const std::string_view item : split(fields[i], ',')) {
            const auto some = item_bits(item, kFields[i]);
            if (!some) {
                fault = fmt::format("its {} \"{}\" is not {} to {}, a range, a list or */n",
                                    kFields[i].name,
                                    printable(item),
                                    kFields[i].low,
                                    kFields[i].high);
                return std::nullopt;
            }
            bits[i] |= *some;
        }
    }
    CronTime cron;
    cron.minutes_ = bits[0];
    cron.hours_ = bits[1];
    cron.days_ = bits[2];
    cron.months_ = bits[3];
    cron.weekdays_ = bits[4] | (has(bits[4], 7) ? 1U : 0U);  // 7 is Sunday too
    cron.any_day_ = fields[2].starts_with('*');
    cron.any_weekday_ = fields[4].starts_with('*');
    return cron;
}

bool CronTime::matches_day(unsigned month, unsigned day, unsigned weekday) const {
    if (!has(months_, month)) {
        return false;
    }
    const bool in_month = has(days_, day);
    const bool in_week = has(weekdays_, weekday);
    return any_day_ || any_weekday_ ? in_month && in_week : in_month || in_week;
}

std::optional<WallTime> CronTime::next(WallTime after, const std::string& zone_name) const {
    const date::time_zone* const zone = find_zone(zone_name);
    if (zone == nullptr) {
        return std::nullopt;
    }
    const auto offset = zone->get_info(date::sys_time<Duration>(after.time_since_epoch())).offset;
    // A day earlier, as a change of the clock may lie between.
    const date::local_days today =
        date::floor<date::days>(date::local_time<Duration>(after.time_since_epoch() + offset));
    for (int n = -1; n < kSearchDays; ++n) {
        const date::local_days day = today + date::days(n);
        const date::year_month_day calendar(day);
        if (!matches_day(unsigned{calendar.month()},
                         unsigned{calendar.day()},
                         date::weekday(day).c_encoding())) {
            continue;
        }
        std::optional<WallTime> best;  // a gap can put two times into the wrong order
        for (unsigned minute = 0; minute < 24 * 60; ++minute) {
            if (!has(hours_, minute / 60) || !has(minutes_, minute % 60)) {
                continue;
            }
            const WallTime due = moment(*zone, day + std::chrono::minutes(minute));
            if (due > after && (!best || due < *best)) {
                best = due;
            }
        }
        if (best) {
            return best;
        }
    }
    return std::nullopt;
}

bool is_time_zone(const std::string& name) {
    return find_zone(name) != nullptr;
}

}  // namespace berth::cron
