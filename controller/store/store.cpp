#include "controller/store/store.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <map>

#include "shared/base/ensure.h"

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
constexpr int kSchemaVersion = static_cast<int>(std::size(kMigrations));

constexpr const char* kSetupKey = "setup_token_hash";

void bind_time(SQLite::Statement& statement, int index, WallTime time) {
    statement.bind(index, std::int64_t{time.time_since_epoch().count()});
}

WallTime time_of(const SQLite::Column& column) {
    return WallTime(Duration(column.getInt64()));
}

UserRow read_user(SQLite::Statement& query) {
    UserRow user;
    user.name = query.getColumn(0).getString();
    user.hash = query.getColumn(1).getString();
    user.role = kRoleNames.value(query.getColumn(2).getString()).value_or(Role::Viewer);
    user.created = time_of(query.getColumn(3));
    return user;
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

    // Runs a statement with texts bound to it in turn; gives how many rows it changed.
    int run(const char* sql, std::initializer_list<std::string> texts) {
        auto& change = statement(sql);
        int index = 1;
        for (const std::string& text : texts) {
            change.bind(index++, text);
        }
        const int changed = change.exec();
        change.reset();
        return changed;
    }

    std::optional<UserRow> user(const std::string& name) {
        auto& query = statement("SELECT name, hash, role, created FROM user WHERE name = ?");
        query.bind(1, name);
        std::optional<UserRow> found;
        if (query.executeStep()) {
            found = read_user(query);
        }
        query.reset();
        return found;
    }

    Result<void> add_user(const UserRow& user) {
        auto& insert = statement("INSERT OR IGNORE INTO user VALUES (?, ?, ?, ?)");
        insert.bind(1, user.name);
        insert.bind(2, user.hash);
        insert.bind(3, std::string(kRoleNames.name(user.role)));
        bind_time(insert, 4, user.created);
        if (insert.exec() == 0) {
            return fail(ErrorCode::AlreadyExists, "a user is named \"" + user.name + "\" already");
        }
        return {};
    }

    // Whether `name` is the only admin.
    bool is_last_admin(const std::string& name) {
        auto& query = statement("SELECT count(*) FROM user WHERE role = 'admin' AND name != ?");
        query.bind(1, name);
        const bool others = query.executeStep() && query.getColumn(0).getInt() > 0;
        query.reset();
        const auto user_row = user(name);
        return user_row && user_row->role == Role::Admin && !others;
    }

    SQLite::Database db;
    std::map<const char*, std::unique_ptr<SQLite::Statement>> statements;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Store::~Store() = default;

template <class T, class Body>
Result<T> Store::guarded(const char* what, Body body) {
    const std::lock_guard lock(mutex_);
    try {
        return body(*impl_);
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, std::string(what) + ": " + error.what());
    }
}

Result<std::unique_ptr<Store>> Store::open(const std::string& file) {
    try {
        auto impl = std::make_unique<Impl>(file);
        impl->db.setBusyTimeout(5000);
        (void)impl->db.execAndGet("PRAGMA journal_mode=WAL");
        impl->db.exec("PRAGMA synchronous=FULL");
        impl->db.exec("PRAGMA foreign_keys=ON");
        impl->db.exec("PRAGMA trusted_schema=OFF");
        // Two processes may open it at once: a command beside the running controller.
        SQLite::Transaction transaction(impl->db, SQLite::TransactionBehavior::IMMEDIATE);
        const int version = impl->db.execAndGet("PRAGMA user_version").getInt();
        if (version > kSchemaVersion) {
            return fail(
                ErrorCode::InvalidArgument,
                file + ": was written by a newer Berth (schema " + std::to_string(version) + ")");
        }
        for (int step = version; step < kSchemaVersion; ++step) {
            impl->db.exec(kMigrations[step]);
        }
        impl->db.exec("PRAGMA user_version=" + std::to_string(kSchemaVersion));
        transaction.commit();
        return std::unique_ptr<Store>(new Store(std::move(impl)));
    } catch (const SQLite::Exception& error) {
        return fail(ErrorCode::Io, file + ": " + error.what());
    }
}

// --- users
// -----------------------------------------------------------------------------------------

Result<std::vector<UserRow>> Store::users() {
    return guarded<std::vector<UserRow>>("read the users", [](Impl& impl) {
        std::vector<UserRow> users;
        auto& query = impl.statement("SELECT name, hash, role, created FROM user ORDER BY name");
        while (query.executeStep()) {
            users.push_back(read_user(query));
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
        SQLite::Transaction transaction(impl.db, SQLite::TransactionBehavior::IMMEDIATE);
        const bool empty = impl.db.execAndGet("SELECT count(*) FROM user").getInt() == 0;
        if (!empty || impl.run("DELETE FROM meta WHERE key = ? AND value = ?",
                               {kSetupKey, setup_token_hash}) == 0) {
            return fail(ErrorCode::PermissionDenied,
                        "this setup link is not valid, or was used already");
        }
        BERTH_CHECK(impl.add_user(user));
        transaction.commit();
        return {};
    });
}

Result<void> Store::change_user(const std::string& name,
                                const std::optional<Role>& role,
                                const std::optional<std::string>& hash) {
    return guarded<void>("change a user", [&](Impl& impl) -> Result<void> {
        SQLite::Transaction transaction(impl.db, SQLite::TransactionBehavior::IMMEDIATE);
        if (!impl.user(name)) {
            return fail(ErrorCode::NotFound, "no user is named \"" + name + "\"");
        }
        if (role && *role != Role::Admin && impl.is_last_admin(name)) {
            return fail(ErrorCode::WrongState, "\"" + name + "\" is the only admin");
        }
        if (role) {
            (void)impl.run("UPDATE user SET role = ? WHERE name = ?",
                           {std::string(kRoleNames.name(*role)), name});
        }
        if (hash) {
            (void)impl.run("UPDATE user SET hash = ? WHERE name = ?", {*hash, name});
        }
        (void)impl.run("DELETE FROM session WHERE user = ?", {name});
        transaction.commit();
        return {};
    });
}

Result<void> Store::remove_user(const std::string& name) {
    return guarded<void>("remove a user", [&](Impl& impl) -> Result<void> {
        SQLite::Transaction transaction(impl.db, SQLite::TransactionBehavior::IMMEDIATE);
        if (impl.is_last_admin(name)) {
            return fail(ErrorCode::WrongState, "\"" + name + "\" is the only admin");
        }
        if (impl.run("DELETE FROM user WHERE name = ?", {name}) == 0) {
            return fail(ErrorCode::NotFound, "no user is named \"" + name + "\"");
        }
        transaction.commit();
        return {};
    });
}

// --- sessions
// --------------------------------------------------------------------------------------

Result<std::vector<SessionRow>> Store::sessions() {
    return guarded<std::vector<SessionRow>>("read the sessions", [](Impl& impl) {
        std::vector<SessionRow> sessions;
        auto& query = impl.statement(
            "SELECT token_hash, user, csrf, created, last_used, address FROM session");
        while (query.executeStep()) {
            sessions.push_back({query.getColumn(0).getString(),
                                query.getColumn(1).getString(),
                                query.getColumn(2).getString(),
                                time_of(query.getColumn(3)),
                                time_of(query.getColumn(4)),
                                query.getColumn(5).getString()});
        }
        return sessions;
    });
}

Result<Role> Store::open_session(const SessionRow& session, const std::string& hash) {
    return guarded<Role>("add a session", [&](Impl& impl) -> Result<Role> {
        SQLite::Transaction transaction(impl.db, SQLite::TransactionBehavior::IMMEDIATE);
        const auto user = impl.user(session.user);
        if (!user || user->hash != hash) {
            return fail(ErrorCode::Unauthenticated, "the name or the password is wrong");
        }
        auto& insert = impl.statement("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)");
        insert.bind(1, session.token_hash);
        insert.bind(2, session.user);
        insert.bind(3, session.csrf);
        bind_time(insert, 4, session.created);
        bind_time(insert, 5, session.last_used);
        insert.bind(6, session.address);
        (void)insert.exec();
        insert.reset();
        transaction.commit();
        return user->role;
    });
}

Result<void> Store::touch_session(const std::string& token_hash, WallTime used) {
    return guarded<void>("touch a session", [&](Impl& impl) -> Result<void> {
        auto& update = impl.statement("UPDATE session SET last_used = ? WHERE token_hash = ?");
        bind_time(update, 1, used);
        update.bind(2, token_hash);
        (void)update.exec();
        return {};
    });
}

Result<void> Store::remove_session(const std::string& token_hash) {
    return guarded<void>("remove a session", [&](Impl& impl) -> Result<void> {
        (void)impl.run("DELETE FROM session WHERE token_hash = ?", {token_hash});
        return {};
    });
}

// --- setup, agents, audit
// --------------------------------------------------------------------------

Result<std::string> Store::setup_token_hash() {
    return guarded<std::string>("read the setup token", [](Impl& impl) {
        auto& query = impl.statement("SELECT value FROM meta WHERE key = ?");
        query.bind(1, kSetupKey);
        std::string hash = query.executeStep() ? query.getColumn(0).getString() : std::string();
        query.reset();
        return hash;
    });
}

Result<void> Store::set_setup_token_hash(const std::string& hash) {
    return guarded<void>("write the setup token", [&](Impl& impl) -> Result<void> {
        (void)impl.run("DELETE FROM meta WHERE key = ?", {kSetupKey});
        if (!hash.empty()) {
            (void)impl.run("INSERT INTO meta VALUES (?, ?)", {kSetupKey, hash});
        }
        return {};
    });
}

Result<std::vector<AgentRow>> Store::agents() {
    return guarded<std::vector<AgentRow>>("read the agents", [](Impl& impl) {
        std::vector<AgentRow> agents;
        auto& query = impl.statement("SELECT name, endpoint, public_key FROM agent ORDER BY name");
        while (query.executeStep()) {
            agents.push_back({query.getColumn(0).getString(),
                              query.getColumn(1).getString(),
                              query.getColumn(2).getString()});
        }
        return agents;
    });
}

Result<void> Store::add_agent(const AgentRow& agent) {
    return guarded<void>("add an agent", [&](Impl& impl) -> Result<void> {
        if (impl.run("INSERT OR IGNORE INTO agent VALUES (?, ?, ?)",
                     {agent.name, agent.endpoint, agent.public_key}) == 0) {
            return fail(ErrorCode::AlreadyExists,
                        "an agent is named \"" + agent.name + "\" already");
        }
        return {};
    });
}

Result<void> Store::remove_agent(const std::string& name) {
    return guarded<void>("remove an agent", [&](Impl& impl) -> Result<void> {
        if (impl.run("DELETE FROM agent WHERE name = ?", {name}) == 0) {
            return fail(ErrorCode::NotFound, "no remote agent has the name \"" + name + "\"");
        }
        return {};
    });
}

Result<void> Store::add_audit(const AuditRow& row) {
    return guarded<void>("write the audit log", [&](Impl& impl) -> Result<void> {
        auto& insert = impl.statement(
            "INSERT INTO audit (time, actor, address, verb, target, result) VALUES (?, ?, ?, ?, ?, "
            "?)");
        bind_time(insert, 1, row.time);
        insert.bind(2, row.actor);
        insert.bind(3, row.address);
        insert.bind(4, row.verb);
        insert.bind(5, row.target);
        insert.bind(6, row.result);
        (void)insert.exec();
        return {};
    });
}

Result<std::vector<AuditRow>> Store::audit(std::uint64_t before, std::size_t limit) {
    return guarded<std::vector<AuditRow>>("read the audit log", [&](Impl& impl) {
        std::vector<AuditRow> rows;
        auto& query = impl.statement(
            "SELECT id, time, actor, address, verb, target, result FROM audit "
            "WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2");
        query.bind(1, static_cast<std::int64_t>(before));
        query.bind(2, static_cast<std::int64_t>(limit));
        while (query.executeStep()) {
            AuditRow row;
            row.id = static_cast<std::uint64_t>(query.getColumn(0).getInt64());
            row.time = time_of(query.getColumn(1));
            row.actor = query.getColumn(2).getString();
            row.address = query.getColumn(3).getString();
            row.verb = query.getColumn(4).getString();
            row.target = query.getColumn(5).getString();
            row.result = query.getColumn(6).getString();
            rows.push_back(std::move(row));
        }
        return rows;
    });
}

}  // namespace berth::store
