#pragma once

#include <optional>
#include <string>

#include "controller/access/rights/rights.h"

namespace berth::access {

// Who is behind a request.
struct Identity {
    std::string user;
    Role role = Role::Viewer;
    std::string csrf;     // what the session's changes have to come with
    std::string session;  // the session's token hash

    // As agents and the audit log name it: "NAME from the panel".
    [[nodiscard]] std::string actor() const { return user + " from the panel"; }
};

inline std::optional<Role> role_of(const std::optional<Identity>& who) {
    return who ? std::optional(who->role) : std::nullopt;
}

}  // namespace berth::access
