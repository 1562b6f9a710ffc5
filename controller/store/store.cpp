#include "controller/store/store.h"

#include <utility>

#include "shared/db/database.h"

namespace berth::store {

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
constexpr const char* kSetupKey = "setup_token_hash";

// The audit log keeps its last million entries: only what is older may go. Set at each open rather
// than by a migration, which would keep an earlier controller, that is gone back to, from the file.
constexpr const char* kAuditRule = R"sql(
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN OLD.id > (SELECT max(id) FROM audit) - 1000000
    BEGIN SELECT RAISE(ABORT, 'append-only'); END
)sql";

constexpr std::uint64_t kKeptAudit = 1'000'000;  // entries, as the trigger has it
constexpr std::uint64_t kPruneEvery = 1000;      // entries
constexpr const char* kDeviceKey = "device_key";

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

UserRow user_of(const db::Rows& row) {
    UserRow user;
    user.name = row.text(0);
    user.hash = row.text(1);
    user.role = access::kRoleNames.value(row.text(2)).value_or(Role::Viewer);
    user.created = row.time(3);
    return user;
}

}  // namespace

struct Store::Impl {
    explicit Impl(std::unique_ptr<db::Database> opened) : db(std::move(opened)) {}

    [[nodiscard]] std::optional<UserRow> user(const std::string& name) const {
        db::Rows row =
            db->query("SELECT name, hash, role, created FROM user WHERE name = ?", {name});
        return row.next() ? std::optional(user_of(row)) : std::nullopt;
    }

    [[nodiscard]] Result<void> add_user(const UserRow& user) const {
        if (db->run("INSERT OR IGNORE INTO user VALUES (?, ?, ?, ?)",
                    {user.name, user.hash, access::kRoleNames.name(user.role), user.created}) ==
                0 &&
            !db->failed()) {
            return fail(ErrorCode::AlreadyExists, "a user is named \"" + user.name + "\" already");
        }
        return {};
    }

    // Whether `name` is the only admin.
    [[nodiscard]] bool is_last_admin(const std::string& name) const {
        db::Rows row =
            db->query("SELECT count(*) FROM user WHERE role = 'admin' AND name != ?", {name});
        const bool others = row.next() && row.integer(0) > 0;
        const auto found = user(name);
        return found && found->role == Role::Admin && !others;
    }

    std::unique_ptr<db::Database> db;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

template <class T, class Body>
Result<T> Store::guarded(const char* what, Body body) {
    const std::lock_guard lock(mutex_);
    Result<T> result = body(*impl_);
    if (const auto failure = impl_->db->take_failure()) {
        return fail(ErrorCode::Io, std::string(what) + ": " + *failure);
    }
    return result;
}

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    db::Options options;
    options.file = file;
    BERTH_TRY(auto database, db::Database::open(options, {kMigrations}));
    bound_audit(*database);
    return std::unique_ptr<Store>(new Store(std::make_unique<Impl>(std::move(database))));
}

// --- users

Result<std::vector<UserRow>> Store::users() {
    return guarded<std::vector<UserRow>>("read the users", [](Impl& impl) {
        std::vector<UserRow> users;
        db::Rows row = impl.db->query("SELECT name, hash, role, created FROM user ORDER BY name");
        while (row.next()) {
            users.push_back(user_of(row));
        }
        return users;
    });
}

Result<std::optional<UserRow>> Store::user(const std::string& name) {
    return guarded<std::optional<UserRow>>("read a user",
                                           [&](Impl& impl) { return impl.user(name); });
}

Result<void> Store::add_user(const UserRow& user) {
    return guarded<void>("add a user", [&](Impl& impl) { return impl.add_user(user); });
}

Result<void> Store::add_first_user(const UserRow& user, const std::string& setup_token_hash) {
    return guarded<void>("add the first user", [&](Impl& impl) -> Result<void> {
        db::Transaction transaction(*impl.db);
        db::Rows users = impl.db->query("SELECT count(*) FROM user");
        const bool empty = users.next() && users.integer(0) == 0;
        if (!empty || impl.db->run("DELETE FROM meta WHERE key = ? AND value = ?",
                                   {kSetupKey, setup_token_hash}) == 0) {
            return fail(ErrorCode::PermissionDenied,
                        "this setup link is not valid, or was used already");
        }
        BERTH_CHECK(impl.add_user(user));
        return transaction.commit();
    });
}

Result<void> Store::change_user(const std::string& name,
                                const std::optional<Role>& role,
                                const std::optional<std::string>& hash) {
    return guarded<void>("change a user", [&](Impl& impl) -> Result<void> {
        db::Transaction transaction(*impl.db);
        if (!impl.user(name)) {
            return fail(ErrorCode::NotFound, "no user is named \"" + name + "\"");
        }
        if (role && *role != Role::Admin && impl.is_last_admin(name)) {
            return fail(ErrorCode::WrongState, "\"" + name + "\" is the only admin");
        }
        if (role) {
            (void)impl.db->run("UPDATE user SET role = ? WHERE name = ?",
                               {access::kRoleNames.name(*role), name});
        }
        if (hash) {
            (void)impl.db->run("UPDATE user SET hash = ? WHERE name = ?", {*hash, name});
        }
        (void)impl.db->run("DELETE FROM session WHERE user = ?", {name});
        return transaction.commit();
    });
}

Result<void> Store::set_password(const std::string& name,
                                 const std::string& before,
                                 const std::string& hash,
                                 const std::string& keep) {
    return guarded<void>("set a password", [&](Impl& impl) -> Result<void> {
        db::Transaction transaction(*impl.db);
        if (impl.db->run("UPDATE user SET hash = ? WHERE name = ? AND hash = ?",
                         {hash, name, before}) == 0) {
            return fail(ErrorCode::Unauthenticated,
                        "\"" + name + "\" has another password by now, or is gone");
        }
        (void)impl.db->run("DELETE FROM session WHERE user = ? AND token_hash != ?", {name, keep});
        return transaction.commit();
    });
}

Result<void> Store::remove_user(const std::string& name) {
    return guarded<void>("remove a user", [&](Impl& impl) -> Result<void> {
        db::Transaction transaction(*impl.db);
        if (impl.is_last_admin(name)) {
            return fail(ErrorCode::WrongState, "\"" + name + "\" is the only admin");
        }
        if (impl.db->run("DELETE FROM user WHERE name = ?", {name}) == 0) {
            return fail(ErrorCode::NotFound, "no user is named \"" + name + "\"");
        }
        return transaction.commit();
    });
}

// --- sessions

Result<std::vector<SessionRow>> Store::sessions() {
    return guarded<std::vector<SessionRow>>("read the sessions", [](Impl& impl) {
        std::vector<SessionRow> sessions;
        db::Rows row = impl.db->query(
            "SELECT token_hash, user, csrf, created, last_used, address FROM session");
        while (row.next()) {
            sessions.push_back(
                {row.text(0), row.text(1), row.text(2), row.time(3), row.time(4), row.text(5)});
        }
        return sessions;
    });
}

Result<Role> Store::open_session(const SessionRow& session, const std::string& hash) {
    return guarded<Role>("add a session", [&](Impl& impl) -> Result<Role> {
        db::Transaction transaction(*impl.db);
        const auto user = impl.user(session.user);
        if (!user || user->hash != hash) {
            return fail(ErrorCode::Unauthenticated, "the name or the password is wrong");
        }
        (void)impl.db->run("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)",
                           {session.token_hash,
                            session.user,
                            session.csrf,
                            session.created,
                            session.last_used,
                            session.address});
        BERTH_CHECK(transaction.commit());
        return user->role;
    });
}

Result<void> Store::touch_session(const std::string& token_hash, WallTime used) {
    return guarded<void>("touch a session", [&](Impl& impl) -> Result<void> {
        (void)impl.db->run("UPDATE session SET last_used = ? WHERE token_hash = ?",
                           {used, token_hash});
        return {};
    });
}

Result<void> Store::remove_session(const std::string& token_hash) {
    return guarded<void>("remove a session", [&](Impl& impl) -> Result<void> {
        (void)impl.db->run("DELETE FROM session WHERE token_hash = ?", {token_hash});
        return {};
    });
}

Result<void> Store::remove_all_sessions() {
    return guarded<void>("remove all sessions", [&](Impl& impl) -> Result<void> {
        (void)impl.db->run("DELETE FROM session", {});
        return {};
    });
}

// --- setup, agents, audit

Result<std::string> Store::setup_token_hash() {
    return guarded<std::string>("read the setup token", [](Impl& impl) {
        db::Rows row = impl.db->query("SELECT value FROM meta WHERE key = ?", {kSetupKey});
        return row.next() ? row.text(0) : std::string();
    });
}

Result<void> Store::set_setup_token_hash(const std::string& hash) {
    return guarded<void>("write the setup token", [&](Impl& impl) -> Result<void> {
        (void)impl.db->run("DELETE FROM meta WHERE key = ?", {kSetupKey});
        if (!hash.empty()) {
            (void)impl.db->run("INSERT INTO meta VALUES (?, ?)", {kSetupKey, hash});
        }
        return {};
    });
}

Result<std::string> Store::device_key(const std::string& offered) {
    return guarded<std::string>("read the key of known browsers", [&](Impl& impl) {
        const auto read = [&impl] {
            db::Rows row = impl.db->query("SELECT value FROM meta WHERE key = ?", {kDeviceKey});
            return row.next() ? row.text(0) : std::string();
        };
        std::string key = read();
        if (key.empty()) {
            (void)impl.db->run("INSERT OR IGNORE INTO meta VALUES (?, ?)", {kDeviceKey, offered});
            key = read();
        }
        return key;
    });
}

Result<std::vector<AgentRow>> Store::agents() {
    return guarded<std::vector<AgentRow>>("read the agents", [](Impl& impl) {
        std::vector<AgentRow> agents;
        db::Rows row = impl.db->query("SELECT name, endpoint, public_key FROM agent ORDER BY name");
        while (row.next()) {
            agents.push_back({row.text(0), row.text(1), row.text(2)});
        }
        return agents;
    });
}

Result<void> Store::add_agent(const AgentRow& agent) {
    return guarded<void>("add an agent", [&](Impl& impl) -> Result<void> {
        if (impl.db->run("INSERT OR IGNORE INTO agent VALUES (?, ?, ?)",
                         {agent.name, agent.endpoint, agent.public_key}) == 0) {
            return fail(ErrorCode::AlreadyExists,
                        "an agent is named \"" + agent.name + "\" already");
        }
        return {};
    });
}

Result<void> Store::remove_agent(const std::string& name) {
    return guarded<void>("remove an agent", [&](Impl& impl) -> Result<void> {
        if (impl.db->run("DELETE FROM agent WHERE name = ?", {name}) == 0) {
            return fail(ErrorCode::NotFound, "no remote agent has the name \"" + name + "\"");
        }
        return {};
    });
}

Result<void> Store::add_audit(const AuditRow& row) {
    return guarded<void>("write the audit log", [&](Impl& impl) -> Result<void> {
        (void)impl.db->run(
            "INSERT INTO audit (time, actor, address, verb, target, result) VALUES (?, ?, ?, ?, ?, "
            "?)",
            {row.time, row.actor, row.address, row.verb, row.target, row.result});
        if (impl.db->failed()) {
            return {};  // which guarded() turns into an error
        }
        db::Rows last = impl.db->query("SELECT max(id) FROM audit");
        const std::uint64_t id = last.next() ? last.count(0) : 0;
        if (id > kKeptAudit && id % kPruneEvery == 0) {
            (void)impl.db->run("DELETE FROM audit WHERE id <= ?", {id - kKeptAudit});
            (void)impl.db->take_failure();  // the entry is there; the next thousandth tries again
        }
        return {};
    });
}

Result<std::vector<AuditRow>> Store::audit(std::uint64_t before, std::size_t limit) {
    return guarded<std::vector<AuditRow>>("read the audit log", [&](Impl& impl) {
        std::vector<AuditRow> rows;
        db::Rows row = impl.db->query(
            "SELECT id, time, actor, address, verb, target, result FROM audit "
            "WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2",
            {before, limit});
        while (row.next()) {
            rows.push_back({row.count(0),
                            row.time(1),
                            row.text(2),
                            row.text(3),
                            row.text(4),
                            row.text(5),
                            row.text(6)});
        }
        return rows;
    });
}

}  // namespace berth::store
