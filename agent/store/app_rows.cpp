#include "agent/store/app_rows.h"

#include "agent/store/columns.h"
#include "shared/base/text.h"

namespace berth::store {

using supervisor::Machine;

namespace {

std::string joined(const std::vector<std::string>& entries) {
    std::string text;
    for (const std::string& entry : entries) {
        text += entry;
        text += '\0';
    }
    return text;
}

std::vector<std::string> entries_of(const std::string& text) {
    std::vector<std::string> entries;
    for (const std::string_view entry : split(text, '\0')) {
        if (!entry.empty()) {
            entries.emplace_back(entry);
        }
    }
    return entries;
}

std::string text_of(const std::vector<WallTime>& times) {
    std::string text;
    for (const WallTime time : times) {
        text += std::to_string(time.time_since_epoch().count()) + ' ';
    }
    return text;
}

std::vector<WallTime> times_of(const std::string& text) {
    std::vector<WallTime> times;
    for (const std::string_view word : split(text, ' ')) {
        if (const auto time = parse_integer<std::int64_t>(word)) {
            times.emplace_back(Duration(*time));
        }
    }
    return times;
}

Machine::Memory memory_of(const db::Rows& row, int first) {
    Machine::Memory m;
    m.state = supervisor::stored_state(row.text(first), /*hook=*/row.integer(first + 16) != 0);
    m.desired = kDesiredNames.value(row.text(first + 1)).value_or(Desired::Stopped);
    m.generation = row.count(first + 2);
    m.since = row.time(first + 3);
    m.reason = row.text(first + 4);
    m.restarts = row.count(first + 5);
    m.attempt = static_cast<std::uint32_t>(row.integer(first + 6));
    if (!row.is_null(first + 7)) {
        m.last_pid = static_cast<std::int32_t>(row.integer(first + 7));
    }
    m.started = row.optional_time(first + 8);
    m.finished = row.optional_time(first + 9);
    m.exit = exit_of(row, first + 10);
    m.start_after = row.integer(first + 13) != 0;
    m.held = row.integer(first + 14) != 0;
    m.problem = row.text(first + 15);
    m.actor = row.text(first + 17);
    m.recent = times_of(row.text(first + 18));
    return m;
}

}  // namespace

Result<std::vector<AppRow>> AppRows::load() {
    std::vector<AppRow> apps;
    db::Rows row = turn_.query(
        "SELECT id, descriptor, text, folder, environment, installed, state, desired, generation, "
        "since, reason, restarts, attempt, last_pid, started, finished, exit_kind, exit_value, "
        "exit_core, start_after, held, problem, hook, actor, recent, started_with, crash_due "
        "FROM app ORDER BY id");
    while (row.next()) {
        AppRow app;
        app.id = row.text(0);
        app.descriptor = row.text(1);
        app.text = row.text(2);
        app.folder = row.text(3);
        app.environment = entries_of(row.text(4));
        app.installed = row.integer(5) != 0;
        app.memory = memory_of(row, 6);
        app.started_with = row.text(25);
        app.crash_due = row.count(26);
        apps.push_back(std::move(app));
    }
    if (const auto failure = turn_.database().take_failure()) {
        return fail(ErrorCode::Io, "read the agent's database: " + *failure);
    }
    return apps;
}

void AppRows::move_paths(const std::string& from, const std::string& to) {
    turn_.require_durable();
    const std::string below = from + '/';
    (void)turn_.change(
        "UPDATE app SET descriptor = ? || substr(descriptor, length(?) + 1) "
        "WHERE substr(descriptor, 1, length(?)) = ?",
        {to, from, below, below});
    (void)turn_.change(
        "UPDATE app SET folder = ? || substr(folder, length(?) + 1) "
        "WHERE substr(folder, 1, length(?)) = ?",
        {to, from, below, below});
}

void AppRows::save(const AppRow& app) {
    turn_.require_durable();
    (void)turn_.change(
        "INSERT INTO app (id, descriptor, text, folder, environment, installed, state, "
        "desired, generation, since, reason, restarts, attempt, start_after, held) "
        "VALUES (?, ?, ?, ?, ?, ?, '', '', 0, 0, '', 0, 0, 0, 0) "
        "ON CONFLICT (id) DO UPDATE SET descriptor = excluded.descriptor, "
        "text = excluded.text, folder = excluded.folder, "
        "environment = excluded.environment, installed = excluded.installed",
        {app.id,
         app.descriptor,
         db::Value::blob(app.text),
         app.folder,
         db::Value::blob(joined(app.environment)),
         app.installed});
    save_memory(app);
}

void AppRows::save_memory(const AppRow& app) {
    const Machine::Memory& m = app.memory;
    const ExitColumns exit(m.exit);
    (void)turn_.change(
        "UPDATE app SET state = ?, desired = ?, generation = ?, since = ?, reason = ?, "
        "restarts = ?, attempt = ?, last_pid = ?, started = ?, finished = ?, exit_kind = ?, "
        "exit_value = ?, exit_core = ?, start_after = ?, held = ?, problem = ?, hook = ?, "
        "actor = ?, recent = ?, started_with = ?, crash_due = ? WHERE id = ?",
        {supervisor::stored_name(m.state),
         kDesiredNames.name(m.desired),
         m.generation,
         m.since,
         m.reason,
         m.restarts,
         m.attempt,
         m.last_pid,
         m.started,
         m.finished,
         exit.kind,
         exit.value,
         exit.core,
         m.start_after,
         m.held,
         m.problem,
         m.state == supervisor::State::Cleaning,
         m.actor,
         text_of(m.recent),
         app.started_with,
         app.crash_due,
         app.id});
}

void AppRows::remove(const std::string& id) {
    turn_.require_durable();
    for (const char* const sql : {"DELETE FROM app WHERE id = ?",
                                  "DELETE FROM run WHERE app = ?",
                                  "DELETE FROM crash WHERE app = ?",
                                  "DELETE FROM crash_group WHERE app = ?"}) {
        (void)turn_.change(sql, {id});
    }
}

}  // namespace berth::store
