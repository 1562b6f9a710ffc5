#include "controller/store/sqlite/user_rows.h"

namespace berth::store::sqlite {

UserRow user_of(const db::Rows& row) {
    UserRow user;
    user.name = row.text(0);
    user.hash = row.text(1);
    user.role = access::kRoleNames.value(row.text(2)).value_or(Role::Viewer);
    user.created = row.time(3);
    return user;
}

std::optional<UserRow> find_user(db::Database& database, const std::string& name) {
    db::Rows row =
        database.query("SELECT name, hash, role, created FROM user WHERE name = ?", {name});
    return row.next() ? std::optional(user_of(row)) : std::nullopt;
}

}  // namespace berth::store::sqlite
