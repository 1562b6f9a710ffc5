#include "agent/store/store.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <map>

#include "shared/base/ensure.h"
#include "shared/base/text.h"
#include "shared/log/log.h"

namespace berth::store {

namespace {

constexpr int kSchemaVersion = 1;
constexpr std::uint64_t kMaxEvents = 20'000;

constexpr const char* kSchema = R"sql(
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
)sql";

void bind_time(SQLite::Statement& statement, int index, const std::optional<WallTime>& time) {
    if (time) {
        statement.bind(index, std::int64_t{time->time_since_epoch().count()});
    } else {
        statement.bind(index);
    }
}

void bind_exit(SQLite::Statement& statement, int index, const std::optional<ExitStatus>& exit) {
    if (exit) {
        statement.bind(index, static_cast<int>(exit->kind));
        statement.bind(index + 1, exit->value);
        statement.bind(index + 2, exit->core_dumped ? 1 : 0);
    } else {
        statement.bind(index);
        statement.bind(index + 1);
        statement.bind(index + 2);
    }
}

WallTime time_of(const SQLite::Column& column) {
    return WallTime(Duration(column.getInt64()));
}

std::optional<WallTime> optional_time(const SQLite::Column& column) {
    return column.isNull() ? std::nullopt : std::optional(time_of(column));
}

std::optional<ExitStatus> read_exit(SQLite::Statement& query, int index) {
    if (query.getColumn(index).isNull()) {
        return std::nullopt;
    }
    return ExitStatus{static_cast<ExitKind>(std::clamp(query.getColumn(index).getInt(), 0, 2)),
                      query.getColumn(index + 1).getInt(),
                      query.getColumn(index + 2).getInt() != 0};
}

std::string text_of(const SQLite::Column& column) {
    const char* const bytes = static_cast<const char*>(column.getBlob());
    return bytes == nullptr ? std::string()
                            : std::string(bytes, static_cast<std::size_t>(column.getBytes()));
}

std::string join(const std::vector<std::string>& entries) {
    std::string joined;
    for (const std::string& entry : entries) {
        joined += entry;
        joined += '\0';
    }
    return joined;
}

std::vector<std::string> unjoin(const std::string& joined) {
    std::vector<std::string> entries;
    for (const std::string_view entry : split(joined, '\0')) {
        if (!entry.empty()) {
            entries.emplace_back(entry);
        }
    }
    return entries;
}

void bind_memory(SQLite::Statement& statement, int first, const supervisor::Machine::Memory& m) {
    statement.bind(first, std::string(supervisor::kStateNames.name(m.state)));
    statement.bind(first + 1, std::string(kDesiredNames.name(m.desired)));
    statement.bind(first + 2, static_cast<std::int64_t>(m.generation));
    statement.bind(first + 3, std::int64_t{m.since.time_since_epoch().count()});
    statement.bind(first + 4, m.reason);
    statement.bind(first + 5, static_cast<std::int64_t>(m.restarts));
    statement.bind(first + 6, m.attempt);
    if (m.last_pid) {
        statement.bind(first + 7, *m.last_pid);
    } else {
        statement.bind(first + 7);
    }
    bind_time(statement, first + 8, m.started);
    bind_time(statement, first + 9, m.finished);
    bind_exit(statement, first + 10, m.exit);
    statement.bind(first + 13, m.start_after ? 1 : 0);
    statement.bind(first + 14, m.held ? 1 : 0);
}

supervisor::Machine::Memory read_memory(SQLite::Statement& query, int first) {
    supervisor::Machine::Memory m;
    m.state = supervisor::kStateNames.value(query.getColumn(first).getString())
                  .value_or(supervisor::State::Stopped);
    m.desired =
        kDesiredNames.value(query.getColumn(first + 1).getString()).value_or(Desired::Stopped);
    m.generation = static_cast<std::uint64_t>(query.getColumn(first + 2).getInt64());
    m.since = time_of(query.getColumn(first + 3));
    m.reason = query.getColumn(first + 4).getString();
    m.restarts = static_cast<std::uint64_t>(query.getColumn(first + 5).getInt64());
    m.attempt = query.getColumn(first + 6).getUInt();
    if (!query.getColumn(first + 7).isNull()) {
        m.last_pid = query.getColumn(first + 7).getInt();
    }
    m.started = optional_time(query.getColumn(first + 8));
    m.finished = optional_time(query.getColumn(first + 9));
    m.exit = read_exit(query, first + 10);
    m.start_after = query.getColumn(first + 13).getInt() != 0;
    m.held = query.getColumn(first + 14).getInt() != 0;
    return m;
}

EventRow read_event(SQLite::Statement& query) {
    EventRow event;
    event.sequence = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
    event.time = time_of(query.getColumn(1));
    event.app = query.getColumn(2).getString();
    event.state = kAppStateNames.value(query.getColumn(3).getString()).value_or(AppState::Stopped);
    event.text = query.getColumn(4).getString();
    return event;
}

}  // namespace

struct Store::Impl {
    explicit Impl(const std::string& file)
        : db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {}

    // A prepared statement, made once.
    SQLite::Statement& statement(const char* sql) {
        auto& slot = statements[sql];
        if (!slot) {
            slot = std::make_unique<SQLite::Statement>(db, sql);
        }
        slot->reset();
        slot->clearBindings();
        return *slot;
    }

    SQLite::Statement& change(const char* sql) {
        if (!in_transaction) {
            db.exec("BEGIN IMMEDIATE");
            in_transaction = true;
        }
        return statement(sql);
    }

    SQLite::Database db;
    std::map<const char*, std::unique_ptr<SQLite::Statement>> statements;
    bool in_transaction = false;
    std::string failure;  // of a change within the open transaction
};

// A write that fails (full disk, I/O error) is remembered and reported by commit(); supervision
// goes on with what is in memory.
#define BERTH_STORE_WRITE(body)                \
    try {                                      \
        body;                                  \
    } catch (const SQLite::Exception& error) { \
        impl_->failure = error.what();         \
    }

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    try {
        auto impl = std::make_unique<Impl>(file);
        impl->db.setBusyTimeout(5000);
        impl->db.exec("PRAGMA journal_mode=WAL");
        impl->db.exec("PRAGMA synchronous=FULL");
        impl->db.exec("PRAGMA foreign_keys=ON");
        impl->db.exec("PRAGMA trusted_schema=OFF");
        const int version = impl->db.execAndGet("PRAGMA user_version").getInt();
        if (version > kSchemaVersion) {
            return fail(
                ErrorCode::InvalidArgument,
                file + ": was written by a newer Berth (schema " + std::to_string(version) + ")");
        }
        if (version == 0) {
            SQLite::Transaction transaction(impl->db);
            impl->db.exec(kSchema);
            impl->db.exec("PRAGMA user_version=" + std::to_string(kSchemaVersion));
            transaction.commit();
        }
        return std::unique_ptr<Store>(new Store(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, file + ": " + error.what());
    }
}

Result<std::vector<AppRow>> Store::load_apps() {
    try {
        std::vector<AppRow> apps;
        auto& query = impl_->statement(
            "SELECT id, descriptor, text, folder, environment, installed, state, desired, "
            "generation, since, "
            "reason, restarts, attempt, last_pid, started, finished, exit_kind, exit_value, "
            "exit_core, "
            "start_after, held FROM app ORDER BY id");
        while (query.executeStep()) {
            AppRow app;
            app.id = query.getColumn(0).getString();
            app.descriptor = query.getColumn(1).getString();
            app.text = text_of(query.getColumn(2));
            app.folder = query.getColumn(3).getString();
            app.environment = unjoin(text_of(query.getColumn(4)));
            app.installed = query.getColumn(5).getInt() != 0;
            app.memory = read_memory(query, 6);
            apps.push_back(std::move(app));
        }
        return apps;
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, std::string("read the agent's database: ") + error.what());
    }
}

void Store::save_app(const AppRow& app) {
    BERTH_STORE_WRITE({
        auto& insert = impl_->change(
            "INSERT OR REPLACE INTO app VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
            "?, ?, ?, ?)");
        const std::string environment = join(app.environment);
        insert.bind(1, app.id);
        insert.bind(2, app.descriptor);
        insert.bind(3, app.text.data(), static_cast<int>(app.text.size()));
        insert.bind(4, app.folder);
        insert.bind(5, environment.data(), static_cast<int>(environment.size()));
        insert.bind(6, app.installed ? 1 : 0);
        bind_memory(insert, 7, app.memory);
        (void)insert.exec();
    })
}

void Store::save_memory(const std::string& id, const supervisor::Machine::Memory& memory) {
    BERTH_STORE_WRITE({
        auto& update = impl_->change(
            "UPDATE app SET state = ?, desired = ?, generation = ?, since = ?, reason = ?, "
            "restarts = ?, "
            "attempt = ?, last_pid = ?, started = ?, finished = ?, exit_kind = ?, exit_value = ?, "
            "exit_core = ?, start_after = ?, held = ? WHERE id = ?");
        bind_memory(update, 1, memory);
        update.bind(16, id);
        (void)update.exec();
    })
}

void Store::remove_app(const std::string& id) {
    BERTH_STORE_WRITE({
        for (const char* sql : {"DELETE FROM app WHERE id = ?", "DELETE FROM run WHERE app = ?"}) {
            auto& remove = impl_->change(sql);
            remove.bind(1, id);
            (void)remove.exec();
        }
    })
}

void Store::add_run(const RunRow& run){BERTH_STORE_WRITE({
    auto& insert = impl_->change("INSERT OR IGNORE INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
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

std::uint64_t Store::add_event(const EventRow& event) {
    std::uint64_t sequence = 0;
    BERTH_STORE_WRITE({
        auto& insert =
            impl_->change("INSERT INTO event (time, app, state, text) VALUES (?, ?, ?, ?)");
        bind_time(insert, 1, event.time);
        insert.bind(2, event.app);
        insert.bind(3, std::string(kAppStateNames.name(event.state)));
        insert.bind(4, event.text);
        (void)insert.exec();
        sequence = static_cast<std::uint64_t>(impl_->db.getLastInsertRowid());
        if (sequence % 256 == 0 && sequence > kMaxEvents) {
            auto& trim = impl_->change("DELETE FROM event WHERE sequence <= ?");
            trim.bind(1, static_cast<std::int64_t>(sequence - kMaxEvents));
            (void)trim.exec();
        }
    })
    return sequence;
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

std::string Store::meta(const std::string& key) {
    std::string value;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT value FROM meta WHERE key = ?");
        query.bind(1, key);
        if (query.executeStep()) {
            value = query.getColumn(0).getString();
        }
        query.reset();  // a row that is still open would keep the write-ahead log from its end
    })
    return value;
}

void Store::set_meta(const std::string& key, const std::string& value){BERTH_STORE_WRITE({
    auto& insert = impl_->change("INSERT OR REPLACE INTO meta VALUES (?, ?)");
    insert.bind(1, key);
    insert.bind(2, value);
    (void)insert.exec();
})}

std::vector<Store::Peer> Store::peers() {
    std::vector<Peer> peers;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT key, name FROM peer ORDER BY name");
        while (query.executeStep()) {
            peers.push_back({query.getColumn(0).getString(), query.getColumn(1).getString()});
        }
    })
    return peers;
}

void Store::add_peer(const Peer& peer) {
    BERTH_STORE_WRITE({
        auto& insert = impl_->change("INSERT OR REPLACE INTO peer VALUES (?, ?)");
        insert.bind(1, peer.key);
        insert.bind(2, peer.name);
        (void)insert.exec();
    })
}

bool Store::remove_peer(const std::string& key) {
    int removed = 0;
    BERTH_STORE_WRITE({
        auto& remove = impl_->change("DELETE FROM peer WHERE key = ?");
        remove.bind(1, key);
        removed = remove.exec();
    })
    return removed > 0;
}

Result<void> Store::commit() {
    std::string failure = std::exchange(impl_->failure, {});
    if (impl_->in_transaction) {
        try {
            impl_->db.exec("COMMIT");
            impl_->in_transaction = false;
        } catch (const SQLite::Exception& error) {
            failure = error.what();
            // SQLite rolls back by itself on a full disk; on a busy one the transaction stays open.
            impl_->in_transaction = sqlite3_get_autocommit(impl_->db.getHandle()) == 0;
        }
    }
    if (!failure.empty()) {
        return fail(ErrorCode::Io, "write the agent's database: " + failure);
    }
    return {};
}

bool Store::dirty() const {
    return impl_->in_transaction || !impl_->failure.empty();
}

}  // namespace berth::store
