#include "controller/store/sqlite/sessions.h"

#include "controller/store/sqlite/user_rows.h"

namespace berth::store::sqlite {

Result<std::vector<SessionRow>> Sessions::all() {
    return connection_.run<std::vector<SessionRow>>(
        "read the sessions", [](db::Database& database) {
            std::vector<SessionRow> sessions;
            db::Rows row = database.query(
                "SELECT token_hash, user, csrf, created, last_used, address FROM session");
            while (row.next()) {
                sessions.push_back(
                    {row.text(0), row.text(1), row.text(2), row.time(3), row.time(4), row.text(5)});
            }
            return sessions;
        });
}

Result<Role> Sessions::open(const SessionRow& session, const std::string& hash) {
    return connection_.run<Role>("add a session", [&](db::Database& database) -> Result<Role> {
        db::Transaction transaction(database);
        const auto user = find_user(database, session.user);
        if (!user || user->hash != hash) {
            return fail(ErrorCode::Unauthenticated, "the name or the password is wrong");
        }
        (void)database.run("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?)",
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

Result<void> Sessions::touch(const std::string& token_hash, WallTime used) {
    return connection_.run<void>("touch a session", [&](db::Database& database) -> Result<void> {
        (void)database.run("UPDATE session SET last_used = ? WHERE token_hash = ?",
                           {used, token_hash});
        return {};
    });
}

Result<void> Sessions::remove(const std::string& token_hash) {
    return connection_.run<void>("remove a session", [&](db::Database& database) -> Result<void> {
        (void)database.run("DELETE FROM session WHERE token_hash = ?", {token_hash});
        return {};
    });
}

Result<void> Sessions::remove_all() {
    return connection_.run<void>("remove all sessions",
                                 [&](db::Database& database) -> Result<void> {
                                     (void)database.run("DELETE FROM session", {});
                                     return {};
                                 });
}

}  // namespace berth::store::sqlite
