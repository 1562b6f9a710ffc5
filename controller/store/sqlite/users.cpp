#include "controller/store/sqlite/users.h"

#include "controller/store/sqlite/user_rows.h"

namespace berth::store::sqlite {

namespace {

Result<void> insert_user(db::Database& database, const UserRow& user) {
    if (database.run("INSERT OR IGNORE INTO user VALUES (?, ?, ?, ?)",
                     {user.name, user.hash, access::kRoleNames.name(user.role), user.created}) ==
            0 &&
        !database.failed()) {
        return fail(ErrorCode::AlreadyExists, "a user is named \"" + user.name + "\" already");
    }
    return {};
}

// Whether `name` is the only admin.
bool is_last_admin(db::Database& database, const std::string& name) {
    db::Rows row =
        database.query("SELECT count(*) FROM user WHERE role = 'admin' AND name != ?", {name});
    const bool others = row.next() && row.integer(0) > 0;
    const auto found = find_user(database, name);
    return found && found->role == Role::Admin && !others;
}

}  // namespace

Result<std::vector<UserRow>> Users::all() {
    return connection_.run<std::vector<UserRow>>("read the users", [](db::Database& database) {
        std::vector<UserRow> users;
        db::Rows row = database.query("SELECT name, hash, role, created FROM user ORDER BY name");
        while (row.next()) {
            users.push_back(user_of(row));
        }
        return users;
    });
}

Result<std::optional<UserRow>> Users::find(const std::string& name) {
    return connection_.run<std::optional<UserRow>>(
        "read a user", [&](db::Database& database) { return find_user(database, name); });
}

Result<void> Users::add(const UserRow& user) {
    return connection_.run<void>(
        "add a user", [&](db::Database& database) { return insert_user(database, user); });
}

Result<void> Users::add_first(const UserRow& user, const std::string& setup_token_hash) {
    return connection_.run<void>("add the first user", [&](db::Database& database) -> Result<void> {
        db::Transaction transaction(database);
        db::Rows users = database.query("SELECT count(*) FROM user");
        const bool empty = users.next() && users.integer(0) == 0;
        if (!empty || database.run("DELETE FROM meta WHERE key = ? AND value = ?",
                                   {kSetupKey, setup_token_hash}) == 0) {
            return fail(ErrorCode::PermissionDenied,
                        "this setup link is not valid, or was used already");
        }
        BERTH_CHECK(insert_user(database, user));
        return transaction.commit();
    });
}

Result<void> Users::change(const std::string& name,
                           const std::optional<Role>& role,
                           const std::optional<std::string>& hash) {
    return connection_.run<void>("change a user", [&](db::Database& database) -> Result<void> {
        db::Transaction transaction(database);
        if (!find_user(database, name)) {
            return fail(ErrorCode::NotFound, "no user is named \"" + name + "\"");
        }
        if (role && *role != Role::Admin && is_last_admin(database, name)) {
            return fail(ErrorCode::WrongState, "\"" + name + "\" is the only admin");
        }
        if (role) {
            (void)database.run("UPDATE user SET role = ? WHERE name = ?",
                               {access::kRoleNames.name(*role), name});
        }
        if (hash) {
            (void)database.run("UPDATE user SET hash = ? WHERE name = ?", {*hash, name});
        }
        (void)database.run("DELETE FROM session WHERE user = ?", {name});
        return transaction.commit();
    });
}

Result<void> Users::set_password(const std::string& name,
                                 const std::string& before,
                                 const std::string& hash,
                                 const std::string& keep) {
    return connection_.run<void>("set a password", [&](db::Database& database) -> Result<void> {
        db::Transaction transaction(database);
        if (database.run("UPDATE user SET hash = ? WHERE name = ? AND hash = ?",
                         {hash, name, before}) == 0) {
            return fail(ErrorCode::Unauthenticated,
                        "\"" + name + "\" has another password by now, or is gone");
        }
        (void)database.run("DELETE FROM session WHERE user = ? AND token_hash != ?", {name, keep});
        return transaction.commit();
    });
}

Result<void> Users::remove(const std::string& name) {
    return connection_.run<void>("remove a user", [&](db::Database& database) -> Result<void> {
        db::Transaction transaction(database);
        if (is_last_admin(database, name)) {
            return fail(ErrorCode::WrongState, "\"" + name + "\" is the only admin");
        }
        if (database.run("DELETE FROM user WHERE name = ?", {name}) == 0) {
            return fail(ErrorCode::NotFound, "no user is named \"" + name + "\"");
        }
        return transaction.commit();
    });
}

}  // namespace berth::store::sqlite
