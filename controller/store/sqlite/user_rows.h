#pragma once

#include <optional>
#include <string>

#include "controller/store/users.h"
#include "shared/db/database.h"

namespace berth::store::sqlite {

// The user of a row "name, hash, role, created".
UserRow user_of(const db::Rows& row);

std::optional<UserRow> find_user(db::Database& database, const std::string& name);

}  // namespace berth::store::sqlite
