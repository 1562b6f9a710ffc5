#include "controller/store/sqlite/open.h"

#include "controller/store/sqlite/agents.h"
#include "controller/store/sqlite/audit.h"
#include "controller/store/sqlite/connection.h"
#include "controller/store/sqlite/sessions.h"
#include "controller/store/sqlite/tokens.h"
#include "controller/store/sqlite/users.h"

namespace berth::store::sqlite {

namespace {

// Step N brings a database of version N to N + 1. Steps are never changed, only added.
constexpr const char* kMigrations[] = {
    R"sql(
CREATE TABLE user (name TEXT PRIMARY KEY, hash TEXT NOT NULL, role TEXT NOT NULL, created INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE session (
    token_hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES user (name) ON DELETE CASCADE,
    csrf TEXT NOT NULL, created INTEGER NOT NULL, last_used INTEGER NOT NULL, address TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_of_user ON session (user);
CREATE TABLE agent (name TEXT PRIMARY KEY, endpoint TEXT NOT NULL, public_key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, actor TEXT NOT NULL,
    address TEXT NOT NULL, verb TEXT NOT NULL, target TEXT NOT NULL, result TEXT NOT NULL
);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
)sql",
};

// The audit log keeps its last million entries: only what is older may go. Set at each open rather
// than by a migration, which would keep an earlier controller, that is gone back to, from the file.
constexpr const char* kAuditRule = R"sql(
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN OLD.id > (SELECT max(id) FROM audit) - 1000000
    BEGIN SELECT RAISE(ABORT, 'append-only'); END
)sql";

// Where nothing can be written now, the next open does it.
void bound_audit(db::Database& database) {
    bool bounded = false;
    {
        db::Rows rule =
            database.query("SELECT sql FROM sqlite_master WHERE name = 'audit_no_delete'");
        bounded = rule.next() && rule.text(0).find("WHEN") != std::string::npos;
    }
    if (!bounded) {
        db::Transaction transaction(database);
        (void)database.run("DROP TRIGGER IF EXISTS audit_no_delete");
        (void)database.run(kAuditRule);
        (void)transaction.commit();
    }
    (void)database.take_failure();
}

// All parts on one connection.
class File : public Database {
public:
    explicit File(std::unique_ptr<db::Database> database) : connection_(std::move(database)) {}

    store::Users& users() override { return users_; }

    store::Sessions& sessions() override { return sessions_; }

    store::Tokens& tokens() override { return tokens_; }

    store::Agents& agents() override { return agents_; }

    store::Audit& audit() override { return audit_; }

private:
    Connection connection_;
    Users users_{connection_};
    Sessions sessions_{connection_};
    Tokens tokens_{connection_};
    Agents agents_{connection_};
    Audit audit_{connection_};
};

}  // namespace

Result<std::unique_ptr<Database>> open(const std::string& file) {
    db::Options options;
    options.file = file;
    BERTH_TRY(auto database, db::Database::open(options, {kMigrations}));
    bound_audit(*database);
    return std::unique_ptr<Database>(std::make_unique<File>(std::move(database)));
}

}  // namespace berth::store::sqlite
