#include "agent/store/history.h"

#include <algorithm>

#include "agent/store/columns.h"

namespace berth::store {

namespace {

constexpr std::uint64_t kRunsBetweenTrims = 64;
constexpr std::int64_t kMaxRuns = 5000;  // of one app
constexpr std::uint64_t kMaxEvents = 20'000;
constexpr int kMaxCrashes = 50;       // bundles of one app
constexpr int kMaxCrashGroups = 100;  // of one app

std::vector<EventRow> events_of_rows(db::Rows row) {
    std::vector<EventRow> events;
    while (row.next()) {
        EventRow event;
        event.sequence = row.count(0);
        event.time = row.time(1);
        event.app = row.text(2);
        event.state = kAppStateNames.value(row.text(3)).value_or(AppState::Stopped);
        event.text = row.text(4);
        events.push_back(std::move(event));
    }
    return events;
}

std::vector<EventRow> reversed(std::vector<EventRow> events) {
    std::reverse(events.begin(), events.end());
    return events;
}

}  // namespace

void History::add_run(const RunRow& run) {
    const ExitColumns exit(run.exit);
    (void)turn_.change(
        "INSERT OR IGNORE INTO run (app, generation, started, ended, exit_kind, exit_value, "
        "exit_core, how) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        {run.id,
         run.generation,
         run.started,
         run.ended,
         exit.kind,
         exit.value,
         exit.core,
         run.how});
    if (run.generation % kRunsBetweenTrims == 0) {
        (void)turn_.change("DELETE FROM run WHERE app = ? AND generation < ?",
                           {run.id, static_cast<std::int64_t>(run.generation) - kMaxRuns});
    }
}

std::vector<RunRow> History::runs(const std::string& id, std::size_t limit) {
    std::vector<RunRow> runs;
    db::Rows row = turn_.query(
        "SELECT generation, started, ended, exit_kind, exit_value, exit_core, how FROM run "
        "WHERE app = ? ORDER BY generation DESC LIMIT ?",
        {id, limit});
    while (row.next()) {
        runs.push_back({id, row.count(0), row.time(1), row.time(2), exit_of(row, 3), row.text(6)});
    }
    return runs;
}

void History::add_event(const EventRow& event) {
    (void)turn_.change(
        "INSERT OR IGNORE INTO event (sequence, time, app, state, text) VALUES (?, ?, ?, ?, ?)",
        {event.sequence, event.time, event.app, kAppStateNames.name(event.state), event.text});
    if (++events_since_trim_ >= kEventsBetweenTrims) {
        events_since_trim_ = 0;
        // Numbers have gaps: what is counted are rows.
        (void)turn_.change(
            "DELETE FROM event WHERE sequence <= "
            "(SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            {kMaxEvents});
    }
}

std::uint64_t History::last_event() {
    db::Rows row = turn_.query("SELECT ifnull(max(sequence), 0) FROM event");
    return row.next() ? row.count(0) : 0;
}

std::vector<EventRow> History::events_after(std::uint64_t sequence, std::size_t limit) {
    return events_of_rows(turn_.query(
        "SELECT sequence, time, app, state, text FROM event WHERE sequence > ? ORDER BY sequence "
        "LIMIT ?",
        {sequence, limit}));
}

std::vector<EventRow> History::last_events(std::size_t limit) {
    return reversed(events_of_rows(turn_.query(
        "SELECT sequence, time, app, state, text FROM event ORDER BY sequence DESC LIMIT ?",
        {limit})));
}

std::vector<EventRow> History::events_of(const std::string& app, std::size_t limit) {
    return reversed(events_of_rows(turn_.query(
        "SELECT sequence, time, app, state, text FROM event WHERE app = ? ORDER BY sequence DESC "
        "LIMIT ?",
        {app, limit})));
}

void History::add_crash(const CrashRow& crash) {
    const int added = turn_.change(
        "INSERT OR IGNORE INTO crash (app, generation, time, signature, how, bundle) VALUES "
        "(?, ?, ?, ?, ?, ?)",
        {crash.id, crash.generation, crash.time, crash.signature, crash.how, crash.bundle});
    if (added == 0) {
        return;  // known: said again after a crash of the agent
    }
    (void)turn_.change(
        "INSERT INTO crash_group (app, signature, how, count, first, last, generation) "
        "VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5) ON CONFLICT DO UPDATE SET "
        "how = ?3, count = count + 1, last = ?4, generation = ?5",
        {crash.id, crash.signature, crash.how, crash.time, crash.generation});
    (void)turn_.change(
        "DELETE FROM crash WHERE app = ?1 AND generation NOT IN (SELECT generation FROM crash "
        "WHERE app = ?1 ORDER BY generation DESC LIMIT ?2)",
        {crash.id, kMaxCrashes});
    (void)turn_.change(
        "DELETE FROM crash_group WHERE app = ?1 AND signature NOT IN (SELECT signature FROM "
        "crash_group WHERE app = ?1 ORDER BY last DESC LIMIT ?2)",
        {crash.id, kMaxCrashGroups});
}

std::vector<CrashRow> History::crashes(const std::string& id, std::size_t limit) {
    std::vector<CrashRow> crashes;
    db::Rows row = turn_.query(
        "SELECT app, generation, time, signature, how, bundle FROM crash WHERE app = ? ORDER "
        "BY generation DESC LIMIT ?",
        {id, limit});
    while (row.next()) {
        crashes.push_back(
            {row.text(0), row.count(1), row.time(2), row.text(3), row.text(4), row.text(5)});
    }
    return crashes;
}

std::vector<CrashGroup> History::crash_groups(const std::string& id) {
    std::vector<CrashGroup> groups;
    db::Rows row = turn_.query(
        "SELECT app, signature, how, count, first, last, generation FROM crash_group WHERE app "
        "= ?1 OR ?1 = '' ORDER BY last DESC",
        {id});
    while (row.next()) {
        groups.push_back({row.text(0),
                          row.text(1),
                          row.text(2),
                          row.count(3),
                          row.time(4),
                          row.time(5),
                          row.count(6)});
    }
    return groups;
}

}  // namespace berth::store
