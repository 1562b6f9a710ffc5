#pragma once

#include "controller/store/sqlite/connection.h"
#include "controller/store/users.h"

namespace berth::store::sqlite {

// The users in controller.db.
class Users : public store::Users {
public:
    explicit Users(Connection& connection) : connection_(connection) {}

    Result<std::vector<UserRow>> all() override;
    Result<std::optional<UserRow>> find(const std::string& name) override;
    Result<void> add(const UserRow& user) override;
    Result<void> add_first(const UserRow& user, const std::string& setup_token_hash) override;
    Result<void> change(const std::string& name,
                        const std::optional<Role>& role,
                        const std::optional<std::string>& hash) override;
    Result<void> set_password(const std::string& name,
                              const std::string& before,
                              const std::string& hash,
                              const std::string& keep) override;
    Result<void> remove(const std::string& name) override;

private:
    Connection& connection_;
};

}  // namespace berth::store::sqlite
