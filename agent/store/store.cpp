#include "agent/store/store.h"

#include <sqlite3.h>

#include "agent/store/store_impl.h"
#include "shared/base/text.h"

namespace berth::store {

namespace {

constexpr int kSchemaVersion = 2;

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

// Version 2: hooks, what a run was started with, crashes, numbers of instances.
constexpr const char* kToVersion2 = R"sql(
ALTER TABLE app ADD COLUMN problem TEXT NOT NULL DEFAULT '';
ALTER TABLE app ADD COLUMN hook INTEGER NOT NULL DEFAULT 0;
ALTER TABLE app ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE app ADD COLUMN started_with TEXT NOT NULL DEFAULT '';
CREATE TABLE crash (
    app TEXT NOT NULL, generation INTEGER NOT NULL, time INTEGER NOT NULL, signature TEXT NOT NULL,
    how TEXT NOT NULL, bundle TEXT NOT NULL, PRIMARY KEY (app, generation)
) WITHOUT ROWID;
CREATE TABLE crash_group (
    app TEXT NOT NULL, signature TEXT NOT NULL, how TEXT NOT NULL, count INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, generation INTEGER NOT NULL,
    PRIMARY KEY (app, signature)
) WITHOUT ROWID;
CREATE TABLE scale (app TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
)sql";

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
    statement.bind(first + 15, m.problem);
    statement.bind(first + 16, m.hook ? 1 : 0);
    statement.bind(first + 17, m.actor);
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
    m.problem = text_of(query.getColumn(first + 15));
    m.hook = query.getColumn(first + 16).getInt() != 0;
    m.actor = text_of(query.getColumn(first + 17));
    return m;
}

}  // namespace

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
        if (version < kSchemaVersion) {
            SQLite::Transaction transaction(impl->db);
            if (version == 0) {
                impl->db.exec(kSchema);
            }
            impl->db.exec(kToVersion2);
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
            "start_after, held, problem, hook, actor, started_with FROM app ORDER BY id");
        while (query.executeStep()) {
            AppRow app;
            app.id = query.getColumn(0).getString();
            app.descriptor = query.getColumn(1).getString();
            app.text = text_of(query.getColumn(2));
            app.folder = query.getColumn(3).getString();
            app.environment = unjoin(text_of(query.getColumn(4)));
            app.installed = query.getColumn(5).getInt() != 0;
            app.memory = read_memory(query, 6);
            app.started_with = text_of(query.getColumn(24));
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
            "?, ?, ?, ?, ?, ?, ?, ?)");
        const std::string environment = join(app.environment);
        insert.bind(1, app.id);
        insert.bind(2, app.descriptor);
        insert.bind(3, app.text.data(), static_cast<int>(app.text.size()));
        insert.bind(4, app.folder);
        insert.bind(5, environment.data(), static_cast<int>(environment.size()));
        insert.bind(6, app.installed ? 1 : 0);
        bind_memory(insert, 7, app.memory);
        insert.bind(25, app.started_with);
        (void)insert.exec();
    })
}

void Store::save_memory(const AppRow& app) {
    BERTH_STORE_WRITE({
        auto& update = impl_->change(
            "UPDATE app SET state = ?, desired = ?, generation = ?, since = ?, reason = ?, "
            "restarts = ?, "
            "attempt = ?, last_pid = ?, started = ?, finished = ?, exit_kind = ?, exit_value = ?, "
            "exit_core = ?, start_after = ?, held = ?, problem = ?, hook = ?, actor = ?, "
            "started_with = ? "
            "WHERE id = ?");
        bind_memory(update, 1, app.memory);
        update.bind(19, app.started_with);
        update.bind(20, app.id);
        (void)update.exec();
    })
}

void Store::remove_app(const std::string& id){BERTH_STORE_WRITE({
    for (const char* sql : {"DELETE FROM app WHERE id = ?",
                            "DELETE FROM run WHERE app = ?",
                            "DELETE FROM crash WHERE app = ?",
                            "DELETE FROM crash_group WHERE app = ?"}) {
        auto& remove = impl_->change(sql);
        remove.bind(1, id);
        (void)remove.exec();
    }
})}

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

std::uint32_t Store::scale(const std::string& app) {
    std::uint32_t count = 0;
    BERTH_STORE_WRITE({
        auto& query = impl_->statement("SELECT count FROM scale WHERE app = ?");
        query.bind(1, app);
        if (query.executeStep()) {
            count = query.getColumn(0).getUInt();
        }
        query.reset();
    })
    return count;
}

void Store::set_scale(const std::string& app, std::uint32_t count){BERTH_STORE_WRITE({
    auto& insert = impl_->change("INSERT OR REPLACE INTO scale VALUES (?, ?)");
    insert.bind(1, app);
    insert.bind(2, count);
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
