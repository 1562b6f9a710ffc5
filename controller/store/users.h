#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/access/rights/rights.h"
#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::store {

using access::Role;

struct UserRow {
    std::string name;
    std::string hash;  // Argon2id, as libsodium writes it
    Role role = Role::Viewer;
    WallTime created;
};

// Who may log in. Durable when a call has returned. Any thread, but no loop: a call may take long.
class Users {
public:
    Users() = default;
    virtual ~Users() = default;
    Users(const Users&) = delete;
    Users& operator=(const Users&) = delete;

    // By name.
    virtual Result<std::vector<UserRow>> all() = 0;
    virtual Result<std::optional<UserRow>> find(const std::string& name) = 0;

    // AlreadyExists: the name is taken.
    virtual Result<void> add(const UserRow& user) = 0;

    // Adds the first user and uses the setup token up, both or none. PermissionDenied: it is not
    // the token, or there are users.
    virtual Result<void> add_first(const UserRow& user, const std::string& setup_token_hash) = 0;

    // Changes what is given and removes the user's sessions, both or none. NotFound; WrongState:
    // nobody would be an admin any more.
    virtual Result<void> change(const std::string& name,
                                const std::optional<Role>& role,
                                const std::optional<std::string>& hash) = 0;

    // Gives a user the hash of another password in the place of `before`, and removes the user's
    // sessions but `keep`. Unauthenticated: the user has another password by now, or is gone.
    virtual Result<void> set_password(const std::string& name,
                                      const std::string& before,
                                      const std::string& hash,
                                      const std::string& keep) = 0;

    // The user's sessions go too. NotFound; WrongState: it is the only admin.
    virtual Result<void> remove(const std::string& name) = 0;
};

}  // namespace berth::store
