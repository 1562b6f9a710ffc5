#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/access/auth.h"
#include "controller/service/runner.h"
#include "controller/store/audit.h"
#include "controller/store/users.h"

namespace berth::service {

struct UserChange {
    std::optional<access::Role> role;
    std::optional<std::string> password;
};

// Who may log in, and who has done what. Blocks: worker threads, and commands.
class Users {
public:
    // All outlive it.
    Users(const Runner& runner, access::Auth& auth, store::Users& users, store::Audit& audit)
        : runner_(runner), auth_(auth), users_(users), audit_(audit) {}

    [[nodiscard]] Result<std::vector<store::UserRow>> all(const Caller& caller) const;

    Result<void> add(const Caller& caller,
                     const std::string& name,
                     const std::string& password,
                     access::Role role);

    // Ends the user's sessions.
    Result<void> change(const Caller& caller, const std::string& name, const UserChange& change);

    // Of the command line: who may use the home's files may open it again.
    Result<void> reset_password(const Caller& caller,
                                const std::string& name,
                                const std::string& password);

    // The same for who shows the present one.
    Result<void> change_password(const Caller& caller,
                                 const std::string& name,
                                 const std::string& present,
                                 const std::string& password);

    Result<void> remove(const Caller& caller, const std::string& name);

    // The newest first, at most `limit`, older than row `before` (0: from the newest).
    [[nodiscard]] Result<std::vector<store::AuditRow>> audit(const Caller& caller,
                                                             std::uint64_t before,
                                                             std::size_t limit) const;

private:
    const Runner& runner_;
    access::Auth& auth_;
    store::Users& users_;
    store::Audit& audit_;
};

}  // namespace berth::service
