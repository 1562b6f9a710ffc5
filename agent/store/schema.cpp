#include "agent/store/schema.h"

#include <SQLiteCpp/SQLiteCpp.h>

namespace berth::store {

namespace {

constexpr int kSchemaVersion = 3;
constexpr int kOldestReader = 3;  // the oldest version that may use a database of this one

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

// Version 3: the restart budget outlives the agent; a crash is written down after the next start.
constexpr const char* kToVersion3 = R"sql(
ALTER TABLE app ADD COLUMN recent BLOB NOT NULL DEFAULT '';
ALTER TABLE app ADD COLUMN crash_due INTEGER NOT NULL DEFAULT 0;
)sql";

int oldest_reader(SQLite::Database& db) {
    if (!db.tableExists("meta")) {
        return kSchemaVersion + 1;
    }
    SQLite::Statement query(db, "SELECT value FROM meta WHERE key = 'oldest_reader'");
    return query.executeStep() ? query.getColumn(0).getInt() : kSchemaVersion + 1;
}

}  // namespace

Result<void> bring_up_to_date(SQLite::Database& db, const std::string& file) {
    const int version = db.execAndGet("PRAGMA user_version").getInt();
    if (version > kSchemaVersion && oldest_reader(db) > kSchemaVersion) {
        return fail(ErrorCode::InvalidArgument,
                    file + ": was written by a newer Berth (schema " + std::to_string(version) +
                        "), which this one cannot read");
    }
    if (version >= kSchemaVersion) {
        return {};
    }
    SQLite::Transaction transaction(db);
    if (version < 1) {
        db.exec(kSchema);
    }
    if (version < 2) {
        db.exec(kToVersion2);
    }
    db.exec(kToVersion3);
    db.exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('oldest_reader', '" +
            std::to_string(kOldestReader) + "')");
    db.exec("PRAGMA user_version=" + std::to_string(kSchemaVersion));
    transaction.commit();
    return {};
}

}  // namespace berth::store
