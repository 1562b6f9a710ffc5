#include "agent/store/store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <array>
#include <filesystem>
#include <string>

#include <catch2/catch.hpp>

#include "tests/unit/temp_folder.h"

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::store;  // NOLINT(google-build-using-namespace)
using berth::test::TempFolder;
using supervisor::State;

namespace {

WallTime at(std::int64_t ns) {
    return WallTime(Duration(ns));
}

AppRow full_row(const std::string& id) {
    AppRow row;
    row.id = id;
    row.descriptor = "/srv/" + id + "/berth.toml";
    row.text = std::string("a\0b\xFF", 4);
    row.folder = "/srv/" + id;
    row.environment = {"A=1", "B=x=y"};
    row.installed = true;
    row.memory.state = State::Reaping;
    row.memory.desired = Desired::Running;
    row.memory.generation = 7;
    row.memory.since = at(1);
    row.memory.reason = "it's so";
    row.memory.restarts = 3;
    row.memory.attempt = 2;
    row.memory.last_pid = 99;
    row.memory.started = at(2);
    row.memory.finished = at(3);
    row.memory.exit = ExitStatus{ExitKind::Signal, 11, true};
    row.memory.start_after = true;
    row.memory.held = true;
    row.memory.problem = "not ready";
    row.memory.actor = "ann";
    row.memory.recent = {at(1), at(4)};
    row.crash_due = 6;
    row.started_with = "abc";
    return row;
}

void check_same(const AppRow& a, const AppRow& b) {
    CHECK(a.id == b.id);
    CHECK(a.descriptor == b.descriptor);
    CHECK(a.text == b.text);
    CHECK(a.folder == b.folder);
    CHECK(a.environment == b.environment);
    CHECK(a.installed == b.installed);
    CHECK(a.memory.state == b.memory.state);
    CHECK(a.memory.desired == b.memory.desired);
    CHECK(a.memory.generation == b.memory.generation);
    CHECK(a.memory.since == b.memory.since);
    CHECK(a.memory.reason == b.memory.reason);
    CHECK(a.memory.restarts == b.memory.restarts);
    CHECK(a.memory.attempt == b.memory.attempt);
    CHECK(a.memory.problem == b.memory.problem);
    CHECK(a.memory.actor == b.memory.actor);
    CHECK(a.memory.recent == b.memory.recent);
    CHECK(a.crash_due == b.crash_due);
    CHECK(a.started_with == b.started_with);
    CHECK(a.memory.last_pid == b.memory.last_pid);
    CHECK(a.memory.started == b.memory.started);
    CHECK(a.memory.finished == b.memory.finished);
    CHECK(a.memory.exit == b.memory.exit);
    CHECK(a.memory.start_after == b.memory.start_after);
    CHECK(a.memory.held == b.memory.held);
}

}  // namespace

TEST_CASE("apps survive a reopening, every field and every state") {
    const TempFolder folder;
    const std::string file = folder / "agent.db";
    {
        auto store = Store::open(file).value();
        store->apps().save(full_row("web"));
        AppRow bare;
        bare.id = "bare";
        store->apps().save(bare);
        for (std::size_t s = 0; s < supervisor::kStateCount; ++s) {
            AppRow row;
            row.id = "state" + std::to_string(10 + s);
            row.memory.state = static_cast<State>(s);
            store->apps().save(row);
        }
        CHECK(store->turn().dirty());
        CHECK(store->turn().commit());
        CHECK_FALSE(store->turn().dirty());
    }
    auto store = Store::open(file).value();
    auto rows = store->apps().load().value();
    REQUIRE(rows.size() == 2 + supervisor::kStateCount);
    AppRow bare;
    bare.id = "bare";
    check_same(rows.front(), bare);
    check_same(rows.back(), full_row("web"));
    for (std::size_t s = 0; s < supervisor::kStateCount; ++s) {
        CHECK(rows.at(1 + s).memory.state == static_cast<State>(s));
    }
    AppRow changed = full_row("web");
    changed.memory.exit.reset();
    changed.memory.last_pid.reset();
    changed.memory.finished.reset();
    changed.memory.state = State::Running;
    store->apps().save_memory(changed);
    CHECK(store->turn().commit());
    rows = store->apps().load().value();
    check_same(rows.back(), changed);
    store->apps().remove("web");
    CHECK(store->turn().commit());
    CHECK(store->apps().load().value().size() == 1 + supervisor::kStateCount);
}

// Agents before Storing had a name of its own know both of them as "cleaning", by the hook's flag.
TEST_CASE("an older agent finds the wait for the store and the hook as it wrote them") {
    const TempFolder folder;
    const std::string file = folder / "agent.db";
    {
        auto store = Store::open(file).value();
        for (const State state : {State::Storing, State::Cleaning}) {
            AppRow row;
            row.id = supervisor::kStateNames.name(state);
            row.memory.state = state;
            store->apps().save(row);
        }
        CHECK(store->turn().commit());
    }
    SQLite::Database db(file, SQLite::OPEN_READWRITE);
    for (const std::string id : {"storing", "cleaning"}) {
        INFO(id);
        const std::string where = " FROM app WHERE id = '" + id + "'";
        CHECK(db.execAndGet("SELECT state" + where).getString() == "cleaning");
        CHECK(db.execAndGet("SELECT hook" + where).getInt() == (id == "cleaning" ? 1 : 0));
    }
    db.exec("UPDATE app SET hook = 1 - hook");  // as the older agent goes on
    const auto rows = Store::open(file).value()->apps().load().value();
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].memory.state == State::Storing);  // "cleaning"
    CHECK(rows[1].memory.state == State::Cleaning);
}

TEST_CASE("what is not committed is not there after a crash") {
    const TempFolder folder;
    const std::string file = folder / "agent.db";
    {
        auto store = Store::open(file).value();
        store->apps().save(full_row("a"));
        CHECK(store->turn().commit());
        store->apps().save(full_row("b"));
    }
    CHECK(Store::open(file).value()->apps().load().value().size() == 1);
}

TEST_CASE("runs are kept by generation, newest first, once each") {
    const TempFolder folder;
    auto store = Store::open(folder / "agent.db").value();
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        store->history().add_run(
            {"web", generation, at(1), at(2), ExitStatus{ExitKind::Code, 3, false}, "x"});
    }
    store->history().add_run({"web", 5, at(9), at(9), std::nullopt, "said again"});
    store->history().add_run({"other", 1, at(1), at(2), std::nullopt, "cannot run it"});
    CHECK(store->turn().commit());
    const auto runs = store->history().runs("web", 3);
    REQUIRE(runs.size() == 3);
    CHECK(runs[0].generation == 5);
    CHECK(runs[0].how == "x");
    CHECK(runs[0].exit == ExitStatus{ExitKind::Code, 3, false});
    CHECK(runs[2].generation == 3);
    CHECK_FALSE(store->history().runs("other", 9).at(0).exit);
    store->apps().remove("web");
    CHECK(store->turn().commit());
    CHECK(store->history().runs("web", 9).empty());
    CHECK(store->history().runs("other", 9).size() == 1);
}

TEST_CASE("events are numbered upwards and bounded") {
    const TempFolder folder;
    auto store = Store::open(folder / "agent.db").value();
    std::uint64_t last = 0;
    for (int i = 0; i < 20'600; ++i) {
        last += i % 3 == 0 ? 5 : 1;  // what is only shown takes numbers, too
        store->history().add_event(
            {last, at(i), i % 2 == 0 ? "even" : "odd", AppState::Failed, std::to_string(i)});
    }
    CHECK(store->turn().commit());
    CHECK(store->history().last_event() == last);
    const auto oldest = store->history().events_after(0, 1);
    REQUIRE(oldest.size() == 1);
    CHECK(oldest[0].sequence > 400);
    const std::size_t kept = store->history().events_after(0, 30'000).size();
    CHECK(kept >= 20'000);
    CHECK(kept <= 20'000 + 256);
    const auto newest = store->history().last_events(2);
    REQUIRE(newest.size() == 2);
    CHECK(newest[0].text == "20598");
    CHECK(newest[1].sequence == last);
    CHECK(newest[1].state == AppState::Failed);
    CHECK(newest[1].time == at(20'599));
    CHECK(store->history().events_after(last - 1, 99).size() == 1);
    CHECK(store->history().events_after(last, 99).empty());
    for (const EventRow& event : store->history().events_of("odd", 5)) {
        CHECK(event.app == "odd");
    }
}

TEST_CASE("keys and values, peers") {
    const TempFolder folder;
    auto store = Store::open(folder / "agent.db").value();
    CHECK(store->settings().value("boot").empty());
    store->settings().set_value("boot", "1");
    store->settings().set_value("boot", "2");
    store->settings().add_peer({"k2", "b", "admin"});
    store->settings().add_peer({"k1", "a", "admin"});
    CHECK(store->turn().commit());
    CHECK(store->settings().value("boot") == "2");
    REQUIRE(store->settings().peers().size() == 2);
    CHECK(store->settings().peers()[0].name == "a");
    CHECK(store->settings().remove_peer("k1"));
    CHECK_FALSE(store->settings().remove_peer("k1"));
    CHECK(store->turn().commit());
    CHECK(store->settings().peers().size() == 1);
}

TEST_CASE("keys that may less than everything are where an older agent does not look") {
    const TempFolder folder;
    {
        auto store = Store::open(folder / "agent.db").value();
        store->settings().add_peer({"k1", "a", "viewer"});
        store->settings().add_peer({"k2", "b", "admin"});
        store->settings().add_peer({"k3", "c", "admin"});
        store->settings().add_peer({"k3", "c", "operator"});
        store->settings().add_peer({"k4", "d", "operator"});
        store->settings().add_peer({"k4", "d", "admin"});
        CHECK(store->turn().commit());
    }
    {
        SQLite::Database older(folder / "agent.db", SQLite::OPEN_READWRITE);
        CHECK(older.execAndGet("SELECT group_concat(key) FROM peer").getString() == "k2,k4");
        older.exec("INSERT OR REPLACE INTO peer (key, name) VALUES ('k1', 'z')");
    }
    auto store = Store::open(folder / "agent.db").value();
    const auto peers = store->settings().peers();
    REQUIRE(peers.size() == 4);
    CHECK(peers[0].role == "viewer");
    CHECK(peers[1].role == "admin");
    CHECK(peers[2].role == "operator");
    CHECK(peers[3].role == "admin");
    CHECK(store->settings().remove_peer("k1"));
    CHECK(store->turn().commit());
    CHECK(store->settings().peers().size() == 3);
}

TEST_CASE("a value that was asked for does not keep the write-ahead log from being reused") {
    const TempFolder folder;
    const std::string file = folder / "agent.db";
    auto store = Store::open(file).value();
    store->settings().set_value("boot", "1");
    CHECK(store->turn().commit());
    CHECK(store->settings().value("boot") == "1");
    for (int i = 0; i < 3000; ++i) {  // about 40 KiB of log each three commits
        store->history().add_event({static_cast<std::uint64_t>(i + 1),
                                    at(i),
                                    "web",
                                    AppState::Running,
                                    std::string(4000, 'x')});
        CHECK(store->turn().commit());
    }
    CHECK(std::filesystem::file_size(file + "-wal") < 8U << 20U);
}

TEST_CASE("a newer schema is refused and left as it is") {
    const TempFolder folder;
    const std::string file = folder / "agent.db";
    { auto store = Store::open(file).value(); }
    {
        SQLite::Database db(file, SQLite::OPEN_READWRITE);
        db.exec("UPDATE meta SET value = '99' WHERE key = 'oldest_reader'");
        db.exec("PRAGMA user_version=99");
    }
    const auto store = Store::open(file);
    REQUIRE_FALSE(store);
    CHECK(store.error().message.find("newer Berth (schema 99)") != std::string::npos);
    SQLite::Database db(file, SQLite::OPEN_READONLY);
    CHECK(db.execAndGet("PRAGMA user_version").getInt() == 99);
}

TEST_CASE("a newer schema that allows this version is used, and what it has added is kept") {
    const TempFolder folder;
    const std::string file = folder / "agent.db";
    {
        auto store = Store::open(file).value();
        store->apps().save(full_row("web"));
        REQUIRE(store->turn().commit());
        SQLite::Database db(file, SQLite::OPEN_READWRITE);
        db.exec("ALTER TABLE app ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'");
        db.exec("ALTER TABLE run ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'");
        db.exec("UPDATE app SET colour = 'blue'");
        db.exec("PRAGMA user_version=99");
    }
    {
        auto store = Store::open(file).value();
        REQUIRE(store->apps().load().value().size() == 1);
        AppRow row = full_row("web");
        row.folder = "/elsewhere";
        store->apps().save(row);
        store->history().add_run({"web", 8, at(1), at(2), std::nullopt, "ended"});
        REQUIRE(store->turn().commit());
        check_same(store->apps().load().value().front(), row);
    }
    SQLite::Database db(file, SQLite::OPEN_READONLY);
    CHECK(db.execAndGet("SELECT colour FROM app").getString() == "blue");
    CHECK(db.execAndGet("PRAGMA user_version").getInt() == 99);
}

TEST_CASE("what was said is on the disk at once, what was seen at the next flush") {
    const TempFolder folder;
    const auto store = Store::open(folder / "agent.db").value();
    store->apps().save(full_row("web"));
    REQUIRE(store->turn().commit());
    CHECK_FALSE(store->turn().unflushed());
    store->apps().save_memory(full_row("web"));
    CHECK(store->turn().flush());  // within a transaction: nothing yet
    CHECK(store->turn().dirty());
    REQUIRE(store->turn().commit());
    CHECK(store->turn().unflushed());
    REQUIRE(store->turn().flush());
    CHECK_FALSE(store->turn().unflushed());
    SECTION("said in the same turn, before") {
        store->turn().require_durable();
        store->apps().save_memory(full_row("web"));
    }
    SECTION("and after what was seen") {
        store->apps().save_memory(full_row("web"));
        store->turn().require_durable();
    }
    REQUIRE(store->turn().commit());
    CHECK_FALSE(store->turn().unflushed());
    CHECK_FALSE(store->turn().dirty());
}

TEST_CASE("a file that is no database is an error, not a crash") {
    const TempFolder folder;
    folder.write("agent.db", std::string(5000, 'x'));
    CHECK_FALSE(Store::open(folder / "agent.db"));
    CHECK_FALSE(Store::open(folder / "no folder/agent.db"));
}

TEST_CASE("what people said waits for the disk also after something has failed") {
    TempFolder folder;
    auto store = Store::open(folder / "agent.db").value();
    Turn& turn = store->turn();
    store->settings().set_value("a", "1");
    REQUIRE(turn.commit());
    (void)turn.query("SELECT nonsense");
    turn.require_durable();
    store->settings().set_value("a", "2");
    CHECK_FALSE(turn.commit());
    turn.require_durable();
    store->settings().set_value("a", "3");
    {
        db::Rows row = turn.query("PRAGMA synchronous");
        REQUIRE(row.next());
        CHECK(row.integer(0) == 2);
    }
    REQUIRE(turn.commit());
}

TEST_CASE("what is stored can be read after a write has failed") {
    TempFolder folder;
    auto store = Store::open(folder / "agent.db").value();
    store->settings().set_value("a", "1");
    REQUIRE(store->turn().commit());
    store->turn().database().refuse_writes(true);
    store->settings().set_value("b", "2");
    CHECK(store->settings().value("a") == "1");
    CHECK_FALSE(store->turn().commit());
    store->turn().database().refuse_writes(false);
    CHECK(store->settings().value("b").empty());
}

TEST_CASE("a database whose file is removed goes on with one that is put back") {
    const TempFolder folder;
    const std::string file = folder / "some.db";
    constexpr std::array<const char*, 1> kSteps = {"CREATE TABLE word (text TEXT NOT NULL)"};
    db::Options options;
    options.file = file;
    auto database = db::Database::open(options, {kSteps}).value();
    db::Statement insert = database->statement("INSERT INTO word VALUES (?)");
    const auto add = [&insert](const std::string& text) {
        insert.bind(1, text);
        return insert.run();
    };
    CHECK(add("one") == 1);
    CHECK(database->look_after());
    std::filesystem::remove(file);
    CHECK(add("two") == 1);  // goes to the file that has no name any more
    REQUIRE(database->look_after());
    CHECK(database->place() == db::Database::Place::Own);
    CHECK(add("three") == 1);
    database.reset();
    const auto again = db::Database::open(options, {kSteps}).value();
    std::vector<std::string> words;
    for (db::Rows row = again->query("SELECT text FROM word ORDER BY rowid"); row.next();) {
        words.push_back(row.text(0));
    }
    CHECK(words == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("a database that was replaced by another is left alone") {
    const TempFolder folder;
    const std::string file = folder / "some.db";
    constexpr std::array<const char*, 1> kSteps = {"CREATE TABLE word (text TEXT NOT NULL)"};
    db::Options options;
    options.file = file;
    const auto database = db::Database::open(options, {kSteps}).value();
    std::filesystem::rename(file, file + ".old");
    folder.write("some.db", "somebody's");
    CHECK(database->look_after().error().code == ErrorCode::WrongState);
    CHECK(database->run("INSERT INTO word VALUES ('kept')") == 1);
}
