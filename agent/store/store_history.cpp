#include "agent/store/store_impl.h"

namespace berth::store {

// What has happened: runs, events, crashes. All of it bounded.

namespace {

constexpr std::uint64_t kMaxEvents = 20'000;
constexpr std::uint64_t kEventsBetweenTrims = 256;
constexpr int kMaxCrashes = 50;       // bundles of one app
constexpr int kMaxCrashGroups = 100;  // of one app

EventRow read_event(SQLite::Statement& query) {
    EventRow event;
    event.sequence = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
    event.time = time_of(query.getColumn(1));
    event.app = query.getColumn(2).getString();
    event.state = kAppStateNames.value(query.getColumn(3).getString()).value_or(AppState::Stopped);
    event.text = query.getColumn(4).getString();
    return event;
}

CrashRow read_crash(SQLite::Statement& query) {
    CrashRow crash;
    crash.id = query.getColumn(0).getString();
    crash.generation = static_cast<std::uint64_t>(query.getColumn(1).getInt64());
    crash.time = time_of(query.getColumn(2));
    crash.signature = query.getColumn(3).getString();
    crash.how = query.getColumn(4).getString();
    crash.bundle = query.getColumn(5).getString();
    return crash;
}

}  // namespace

void Store::add_run(const RunRow& run){BERTH_STORE_WRITE({
    auto& insert = impl_->change(
        "INSERT OR IGNORE INTO run (app, generation, started, ended, exit_kind, exit_value, "
        "exit_core, how) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(1, run.id);
    insert.bind(2, static_cast<std::int64_t>(run.generation));
    bind_time(insert, 3, run.started);
    bind_time(insert, 4, run.ended);
    bind_exit(insert, 5, run.exit);
    insert.bind(8, run.how);
    (void)insert.exec();
    if (run.generation % 64 == 0) {
        auto& trim = impl_->change("DELETE FROM run WHERE app = ? AND generation < ?");
        trim.bind(1, run.id);
        trim.bind(2, static_cast<std::int64_t>(run.generation) - 5000);
        (void)trim.exec();
    }
})}

std::vector<RunRow> Store::runs(const std::string& id, std::size_t limit) {
    std::vector<RunRow> rows;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement(
            "SELECT generation, started, ended, exit_kind, exit_value, exit_core, how FROM run "
            "WHERE app = ? "
            "ORDER BY generation DESC LIMIT ?");
        query.bind(1, id);
        query.bind(2, static_cast<std::int64_t>(limit));
        while (query.executeStep()) {
            RunRow row;
            row.id = id;
            row.generation = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
            row.started = time_of(query.getColumn(1));
            row.ended = time_of(query.getColumn(2));
            row.exit = read_exit(query, 3);
            row.how = query.getColumn(6).getString();
            rows.push_back(std::move(row));
        }
    })
    return rows;
}

void Store::add_event(const EventRow& event){BERTH_STORE_WRITE({
    auto& insert = impl_->change(
        "INSERT OR IGNORE INTO event (sequence, time, app, state, text) VALUES (?, ?, ?, ?, ?)");
    insert.bind(1, static_cast<std::int64_t>(event.sequence));
    bind_time(insert, 2, event.time);
    insert.bind(3, event.app);
    insert.bind(4, std::string(kAppStateNames.name(event.state)));
    insert.bind(5, event.text);
    (void)insert.exec();
    if (++impl_->events_since_trim >= kEventsBetweenTrims) {
        impl_->events_since_trim = 0;
        // Numbers have gaps: what is counted are rows.
        auto& trim = impl_->change(
            "DELETE FROM event WHERE sequence <= "
            "(SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1 OFFSET ?)");
        trim.bind(1, static_cast<std::int64_t>(kMaxEvents));
        (void)trim.exec();
    }
})}

std::uint64_t Store::last_event() {
    std::uint64_t last = 0;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT max(sequence) FROM event");
        if (query.executeStep()) {
            last = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
        }
        query.reset();
    })
    return last;
}

std::vector<EventRow> Store::events_after(std::uint64_t sequence, std::size_t limit) {
    std::vector<EventRow> events;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement(
            "SELECT sequence, time, app, state, text FROM event WHERE sequence > ? ORDER BY "
            "sequence LIMIT ?");
        query.bind(1, static_cast<std::int64_t>(sequence));
        query.bind(2, static_cast<std::int64_t>(limit));
        while (query.executeStep()) {
            events.push_back(read_event(query));
        }
    })
    return events;
}

std::vector<EventRow> Store::last_events(std::size_t limit) {
    std::vector<EventRow> events;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement(
            "SELECT sequence, time, app, state, text FROM event ORDER BY sequence DESC LIMIT ?");
        query.bind(1, static_cast<std::int64_t>(limit));
        while (query.executeStep()) {
            events.push_back(read_event(query));
        }
        std::reverse(events.begin(), events.end());
    })
    return events;
}

std::vector<EventRow> Store::events_of(const std::string& app, std::size_t limit) {
    std::vector<EventRow> events;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement(
            "SELECT sequence, time, app, state, text FROM event WHERE app = ? ORDER BY sequence "
            "DESC LIMIT ?");
        query.bind(1, app);
        query.bind(2, static_cast<std::int64_t>(limit));
        while (query.executeStep()) {
            events.push_back(read_event(query));
        }
        std::reverse(events.begin(), events.end());
    })
    return events;
}

void Store::add_crash(const CrashRow& crash){BERTH_STORE_WRITE({
    auto& insert = impl_->change(
        "INSERT OR IGNORE INTO crash (app, generation, time, signature, how, bundle) VALUES (?, ?, "
        "?, ?, ?, ?)");
    insert.bind(1, crash.id);
    insert.bind(2, static_cast<std::int64_t>(crash.generation));
    bind_time(insert, 3, crash.time);
    insert.bind(4, crash.signature);
    insert.bind(5, crash.how);
    insert.bind(6, crash.bundle);
    if (insert.exec() == 0) {
        return;  // known: said again after a crash of the agent
    }
    auto& group = impl_->change(
        "INSERT INTO crash_group (app, signature, how, count, first, last, generation) "
        "VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5) ON CONFLICT DO UPDATE SET "
        "how = ?3, count = count + 1, last = ?4, generation = ?5");
    group.bind(1, crash.id);
    group.bind(2, crash.signature);
    group.bind(3, crash.how);
    bind_time(group, 4, crash.time);
    group.bind(5, static_cast<std::int64_t>(crash.generation));
    (void)group.exec();
    auto& trim = impl_->change(
        "DELETE FROM crash WHERE app = ?1 AND generation NOT IN (SELECT generation FROM crash "
        "WHERE app = ?1 ORDER BY generation DESC LIMIT ?2)");
    trim.bind(1, crash.id);
    trim.bind(2, kMaxCrashes);
    (void)trim.exec();
    auto& trim_groups = impl_->change(
        "DELETE FROM crash_group WHERE app = ?1 AND signature NOT IN (SELECT signature FROM "
        "crash_group WHERE app = ?1 ORDER BY last DESC LIMIT ?2)");
    trim_groups.bind(1, crash.id);
    trim_groups.bind(2, kMaxCrashGroups);
    (void)trim_groups.exec();
})}

std::vector<CrashRow> Store::crashes(const std::string& id, std::size_t limit) {
    std::vector<CrashRow> rows;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement(
            "SELECT app, generation, time, signature, how, bundle FROM crash WHERE app = ? ORDER "
            "BY generation DESC LIMIT ?");
        query.bind(1, id);
        query.bind(2, static_cast<std::int64_t>(limit));
        while (query.executeStep()) {
            rows.push_back(read_crash(query));
        }
    })
    return rows;
}

std::vector<CrashGroup> Store::crash_groups(const std::string& id) {
    std::vector<CrashGroup> groups;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement(
            "SELECT app, signature, how, count, first, last, generation FROM crash_group WHERE app "
            "= ?1 OR ?1 = '' ORDER BY last DESC");
        query.bind(1, id);
        while (query.executeStep()) {
            CrashGroup group;
            group.id = query.getColumn(0).getString();
            group.signature = query.getColumn(1).getString();
            group.how = query.getColumn(2).getString();
            group.count = static_cast<std::uint64_t>(query.getColumn(3).getInt64());
            group.first = time_of(query.getColumn(4));
            group.last = time_of(query.getColumn(5));
            group.generation = static_cast<std::uint64_t>(query.getColumn(6).getInt64());
            groups.push_back(std::move(group));
        }
    })
    return groups;
}

}  // namespace berth::store
