#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

#include <catch2/catch.hpp>

#include "agent/store/store.h"
#include "tests/unit/temp_folder.h"

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::store;  // NOLINT(google-build-using-namespace)
using berth::test::TempFolder;

namespace {

CrashRow crash(std::uint64_t generation, const std::string& signature) {
    CrashRow row;
    row.id = "web";
    row.generation = generation;
    row.time = WallTime(std::chrono::seconds(generation));
    row.signature = signature;
    row.how = "exited " + std::to_string(generation);
    row.bundle = "{}";
    return row;
}

}  // namespace

TEST_CASE("crashes are grouped by likeness, and both are bounded") {
    const TempFolder folder;
    const auto store = Store::open(folder / "agent.db").value();
    store->history().add_crash(crash(1, "a"));
    store->history().add_crash(crash(1, "a"));  // said again
    store->history().add_crash(crash(2, "b"));
    store->history().add_crash(crash(3, "a"));
    REQUIRE(store->turn().commit());
    const auto groups = store->history().crash_groups("web");
    REQUIRE(groups.size() == 2);
    CHECK(groups[0].signature == "a");
    CHECK(groups[0].count == 2);
    CHECK(groups[0].how == "exited 3");
    CHECK(groups[0].first == WallTime(std::chrono::seconds(1)));
    CHECK(groups[0].last == WallTime(std::chrono::seconds(3)));
    CHECK(groups[0].generation == 3);
    CHECK(groups[1].count == 1);
    CHECK(store->history().crash_groups("").size() == 2);
    CHECK(store->history().crash_groups("other").empty());
    CHECK(store->history().crashes("web", 2).size() == 2);
    CHECK(store->history().crashes("web", 100).back().generation == 1);

    for (std::uint64_t generation = 4; generation < 400; ++generation) {
        store->history().add_crash(crash(generation, std::to_string(generation)));
    }
    REQUIRE(store->turn().commit());
    CHECK(store->history().crashes("web", 1000).size() == 50);
    CHECK(store->history().crashes("web", 1).front().generation == 399);
    CHECK(store->history().crash_groups("web").size() == 100);
    store->apps().remove("web");
    CHECK(store->history().crashes("web", 10).empty());
    CHECK(store->history().crash_groups("web").empty());
}

TEST_CASE("numbers of instances are kept") {
    const TempFolder folder;
    {
        const auto store = Store::open(folder / "agent.db").value();
        CHECK(store->settings().scale("web") == 0);
        store->settings().set_scale("web", 3);
        store->settings().set_scale("web", 5);
        REQUIRE(store->turn().commit());
    }
    CHECK(Store::open(folder / "agent.db").value()->settings().scale("web") == 5);
}

TEST_CASE("a database of version 1 is brought up to date and loses nothing") {
    const TempFolder folder;
    {
        SQLite::Database db(folder / "agent.db", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
        db.exec(R"sql(
CREATE TABLE app (
    id TEXT PRIMARY KEY, descriptor TEXT NOT NULL, text BLOB NOT NULL, folder TEXT NOT NULL,
    environment BLOB NOT NULL, installed INTEGER NOT NULL,
    state TEXT NOT NULL, desired TEXT NOT NULL, generation INTEGER NOT NULL, since INTEGER NOT NULL,
    reason TEXT NOT NULL, restarts INTEGER NOT NULL, attempt INTEGER NOT NULL, last_pid INTEGER,
    started INTEGER, finished INTEGER, exit_kind INTEGER, exit_value INTEGER, exit_core INTEGER,
    start_after INTEGER NOT NULL, held INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE run (
    app TEXT NOT NULL, generation INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
    exit_kind INTEGER, exit_value INTEGER, exit_core INTEGER, how TEXT NOT NULL,
    PRIMARY KEY (app, generation)
) WITHOUT ROWID;
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, app TEXT NOT NULL,
    state TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX event_of_app ON event (app, sequence);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE peer (key TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO app VALUES ('web', '/d', 'text', '/f', '', 0, 'running', 'running', 7, 1, 'why', 2, 1,
    42, 5, NULL, NULL, NULL, NULL, 0, 1);
INSERT INTO run VALUES ('web', 6, 1, 2, 0, 3, 0, 'exited 3');
PRAGMA user_version=1;
)sql");
    }
    const auto store = Store::open(folder / "agent.db").value();
    const auto apps = store->apps().load().value();
    REQUIRE(apps.size() == 1);
    CHECK(apps[0].memory.generation == 7);
    CHECK(apps[0].memory.state == supervisor::State::Running);
    CHECK(apps[0].memory.held);
    CHECK(apps[0].memory.problem.empty());
    CHECK(apps[0].started_with.empty());
    CHECK(apps[0].memory.recent.empty());
    CHECK(apps[0].crash_due == 0);
    CHECK(store->history().runs("web", 10).size() == 1);
    store->history().add_crash(crash(1, "a"));
    CHECK(store->turn().commit());
    SQLite::Database db(folder / "agent.db");
    CHECK(db.execAndGet("PRAGMA user_version").getInt() == 5);
}

TEST_CASE("events are bounded also when each agent adds only a few") {
    TempFolder folder;
    std::uint64_t number = 0;
    const auto add = [&](Store& store, int count) {
        for (int i = 0; i < count; ++i) {
            store.history().add_event(
                {++number, WallTime(Duration(1)), "web", AppState::Running, "on"});
        }
        REQUIRE(store.turn().commit());
    };
    add(*Store::open(folder / "agent.db").value(), 20'000);
    for (int life = 0; life < 3; ++life) {
        add(*Store::open(folder / "agent.db").value(), 100);
    }
    const auto store = Store::open(folder / "agent.db").value();
    CHECK(store->history().last_events(100'000).size() < 20'150);
}
