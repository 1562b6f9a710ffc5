#include "agent/store/schema.h"

#include <array>

namespace berth::store {

namespace {

constexpr const char* kToVersion1 = R"sql(
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

// Version 4: what a key may do. An older agent lets it do everything.
constexpr const char* kToVersion4 = R"sql(
ALTER TABLE peer ADD COLUMN role TEXT NOT NULL DEFAULT 'admin';
)sql";

// Version 5: keys that may less than everything, where an older agent does not find them: it would
// let each key of `peer` do everything. The role of those that stay there is admin.
constexpr const char* kToVersion5 = R"sql(
CREATE TABLE limited_peer (key TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO limited_peer SELECT key, name, role FROM peer WHERE role <> 'admin';
DELETE FROM peer WHERE role <> 'admin';
)sql";

constexpr std::array<const char*, 5> kSteps = {
    kToVersion1, kToVersion2, kToVersion3, kToVersion4, kToVersion5};

}  // namespace

db::Schema agent_schema() {
    return {kSteps, /*oldest_reader=*/3};
}

}  // namespace berth::store
