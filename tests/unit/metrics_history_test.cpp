#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "agent/apps/figures/history.h"
#include "tests/unit/temp_folder.h"

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using backend::Sample;
using figures::History;
using std::chrono::seconds;

namespace {

struct Clock {
    MonoTime mono = MonoTime(std::chrono::hours(1));
    WallTime wall = WallTime(std::chrono::hours(24 * 365 * 50));

    void advance(seconds by) {
        mono += by;
        wall += by;
    }
};

Sample sample_at(const Clock& clock, double cpu, std::uint64_t read = 0) {
    Sample sample;
    sample.leader = 7;
    sample.at = clock.mono;
    sample.cpu_percent = cpu;
    sample.rss_bytes = 10U << 20U;
    sample.pss_bytes = 7U << 20U;
    sample.processes = 2;
    sample.threads = 5;
    sample.descriptors = 30;
    sample.read_bytes = read;
    return sample;
}

}  // namespace

TEST_CASE("an hour is kept in memory, no more") {
    figures::History history(nullptr);
    Clock clock;
    for (int i = 0; i < 2000; ++i) {
        history.add("web", sample_at(clock, i), clock.wall);
        clock.advance(seconds(5));
    }
    const auto points = history.last("web", 10'000);
    REQUIRE(points.size() == 720);
    CHECK(points.back().cpu_percent == 1999);
    CHECK(points.front().cpu_percent == 1280);
    CHECK(points.back().rss_bytes == 10U << 20U);
    CHECK(points.back().pss_bytes == 7U << 20U);
    CHECK(points.back().threads == 5);
    CHECK(points.back().descriptors == 30);
    CHECK(history.last("web", 3).size() == 3);
    CHECK(history.since("web", clock.wall - seconds(61), clock.wall).size() == 12);
    CHECK(history.since("other", clock.wall - seconds(60), clock.wall).empty());
    // Who asks for an hour asks a moment before it is answered.
    CHECK(history.since("web", clock.wall - seconds(3600), clock.wall).size() == 720);
}

TEST_CASE("rates are between samples of one run") {
    figures::History history(nullptr);
    Clock clock;
    history.add("web", sample_at(clock, 1, 1000), clock.wall);
    clock.advance(seconds(5));
    history.add("web", sample_at(clock, 1, 6000), clock.wall);
    clock.advance(seconds(5));
    Sample next = sample_at(clock, 1, 100);
    next.leader = 8;
    history.add("web", next, clock.wall);
    const auto points = history.last("web", 3);
    CHECK(points[0].read_rate == 0);
    CHECK(points[1].read_rate == 1000);
    CHECK(points[2].read_rate == 0);
}

TEST_CASE("means go to the store, a week of them, over a restart") {
    const test::TempFolder folder;
    Clock clock;
    const WallTime begin = clock.wall;
    {
        const auto store = figures::Store::open(folder / "metrics.db").value();
        figures::History history(store.get());
        for (int i = 0; i < 3000; ++i) {
            history.add("web", sample_at(clock, 10), clock.wall);
            history.add("web", sample_at(clock, 30), clock.wall);
            history.keep(clock.wall);
            history.keep(clock.wall);  // nothing new: no point
            clock.advance(seconds(300));
        }
    }
    const auto store = figures::Store::open(folder / "metrics.db").value();
    figures::History history(store.get());
    const auto week = history.since("web", begin, clock.wall);
    CHECK(week.size() >= 2017);
    CHECK(week.size() < 2017 + 12);
    CHECK(week.back().cpu_percent == 20);
    CHECK(week.back().pss_bytes == 7U << 20U);
    CHECK(history.since("web", clock.wall - seconds(7200), clock.wall).size() == 24);
    history.remove("web");
    CHECK(history.since("web", begin, clock.wall).empty());
}

TEST_CASE("a clock that is set wrong takes no figures that were there before") {
    const test::TempFolder folder;
    Clock clock;
    const WallTime begin = clock.wall;
    const auto store = figures::Store::open(folder / "metrics.db").value();
    figures::History history(store.get());
    const auto go_on = [&](int points) {
        for (int i = 0; i < points; ++i) {
            history.add("web", sample_at(clock, 10), clock.wall);
            history.keep(clock.wall);
            clock.advance(seconds(300));
        }
    };
    const auto set = [&](Duration by) {
        clock.wall += by;
        history.clock_set(by);
    };
    go_on(100);
    for (const Duration by : {std::chrono::hours(24 * 30), std::chrono::hours(1)}) {
        set(by);
        go_on(30);
        set(-by);
        CHECK(history.since("web", begin, clock.wall).size() >= 100);
        CHECK(history.last("web", 1).back().time <= clock.wall);
    }
    go_on(2500);  // more than a week: those of the wrong time go too
    CHECK(history.since("web", WallTime(), clock.wall + std::chrono::hours(24 * 365)).size() <
          2017 + 12);
    CHECK(history.since("web", begin, clock.wall).size() >= 2000);
}

TEST_CASE("figures of a version without some of them are brought up to date") {
    const test::TempFolder folder;
    {
        SQLite::Database db(folder / "metrics.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        db.exec(
            "CREATE TABLE point (app TEXT NOT NULL, time INTEGER NOT NULL, cpu REAL, rss INTEGER, "
            "processes INTEGER, threads INTEGER, descriptors INTEGER, read REAL, write REAL, "
            "PRIMARY KEY (app, time)) WITHOUT ROWID");
        db.exec("INSERT INTO point VALUES ('web', 5, 1.5, 4096, 1, 1, 3, 0, 0)");
    }
    const auto store = figures::Store::open(folder / "metrics.db").value();
    const auto points = store->between("web", WallTime(), WallTime(seconds(1000)));
    REQUIRE(points.size() == 1);
    CHECK(points[0].rss_bytes == 4096);
    CHECK(points[0].pss_bytes == 0);
}
