#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/cron/cron_time.h"

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using cron::CronTime;

namespace {

// Seconds since 1970 of a UTC time, for expectations that are readable.
WallTime utc(int year, int month, int day, int hour, int minute) {
    // Days since the epoch by the civil calendar (Howard Hinnant's days_from_civil).
    const int y = month <= 2 ? year - 1 : year;
    const int era = y / 400;
    const int of_era = y - era * 400;
    const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return WallTime(std::chrono::hours(24) * days + std::chrono::hours(hour) +
                    std::chrono::minutes(minute));
}

CronTime cron_of(const std::string& text) {
    std::string fault;
    const auto parsed = CronTime::parse(text, fault);
    INFO(text << ": " << fault);
    REQUIRE(parsed);
    return *parsed;
}

std::vector<std::string> next(const std::string& text,
                              WallTime after,
                              int count,
                              const std::string& zone = "UTC") {
    std::vector<std::string> times;
    for (int i = 0; i < count; ++i) {
        const auto due = cron_of(text).next(after, zone);
        REQUIRE(due);
        REQUIRE(*due > after);
        times.push_back(rfc3339_utc(*due, 0));
        after = *due;
    }
    return times;
}

using Times = std::vector<std::string>;

}  // namespace

TEST_CASE("cron times fall due when they should") {
    const WallTime start = utc(2026, 11, 25, 17, 58);
    CHECK(next("* * * * *", start, 2) == Times{"2026-11-25T17:59:00Z", "2026-11-25T18:00:00Z"});
    CHECK(next("*/15 * * * *", start, 3) ==
          Times{"2026-11-25T18:00:00Z", "2026-11-25T18:15:00Z", "2026-11-25T18:30:00Z"});
    CHECK(next("10-30/10 9,17 * * *", start, 4) == Times{"2026-11-26T09:10:00Z",
                                                         "2026-11-26T09:20:00Z",
                                                         "2026-11-26T09:30:00Z",
                                                         "2026-11-26T17:10:00Z"});
    CHECK(next("0 0 1 jan *", start, 2) == Times{"2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"});
    CHECK(next("0 12 * * mon-fri", utc(2026, 11, 27, 12, 0), 2) ==
          Times{"2026-11-30T12:00:00Z", "2026-12-01T12:00:00Z"});
    CHECK(next("0 0 * * 7", start, 1) == Times{"2026-11-29T00:00:00Z"});  // Sunday
    CHECK(next("0 0 29 2 *", start, 2) == Times{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"});
    // Both days restricted: either.
    CHECK(next("0 0 13 * fri", utc(2026, 11, 1, 0, 0), 4) == Times{"2026-11-06T00:00:00Z",
                                                                   "2026-11-13T00:00:00Z",
                                                                   "2026-11-20T00:00:00Z",
                                                                   "2026-11-27T00:00:00Z"});
    // Within a minute, the next one counts.
    CHECK(next("* * * * *", start + std::chrono::seconds(30), 1) == Times{"2026-11-25T17:59:00Z"});
}

TEST_CASE("a time that never comes, or an unknown zone, is none") {
    CHECK_FALSE(cron_of("0 0 30 feb *").next(utc(2026, 1, 1, 0, 0), "UTC"));
    CHECK_FALSE(cron_of("* * * * *").next(utc(2026, 1, 1, 0, 0), "Europe/Atlantis"));
    CHECK(cron::is_time_zone("Europe/Berlin"));
    CHECK_FALSE(cron::is_time_zone("../../etc/passwd"));
}

TEST_CASE("summer time: what is skipped comes at once, what is repeated comes once") {
    // Berlin, 29 March 2026: 02:00 CET becomes 03:00 CEST at 01:00 UTC.
    CHECK(next("30 2 * * *", utc(2026, 3, 28, 12, 0), 2, "Europe/Berlin") ==
          Times{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"});
    // 25 October 2026: 03:00 CEST becomes 02:00 CET at 01:00 UTC.
    CHECK(next("30 2 * * *", utc(2026, 10, 24, 12, 0), 2, "Europe/Berlin") ==
          Times{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"});
    // Every ten minutes goes on in the order of time; the repeated hour counts once.
    CHECK(next("*/30 * * * *", utc(2026, 3, 29, 0, 29), 4, "Europe/Berlin") ==
          Times{"2026-03-29T00:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-29T01:30:00Z",
                "2026-03-29T02:00:00Z"});
    CHECK(next("0 9 * * *", utc(2026, 3, 28, 12, 0), 2, "America/New_York") ==
          Times{"2026-03-28T13:00:00Z", "2026-03-29T13:00:00Z"});
}
