#pragma once

#include <optional>
#include <string_view>

#include "shared/command/rights.h"

namespace berth::access {

using command::kRoleNames;
using command::Right;
using command::Role;

// What everybody may, signed in or not.
inline constexpr std::optional<Right> kPublic = std::nullopt;

// Who has a right at least, as the API's description names it.
constexpr std::string_view least_name(const std::optional<Right>& right) {
    return right ? kRoleNames.name(command::least_role(*right)) : "everybody";
}

// Whether a role has a right; no role: nobody is signed in.
constexpr bool allows(const std::optional<Role>& role, const std::optional<Right>& right) {
    return !right || (role && command::allows(*role, *right));
}

// Whether a role sees what looks like a secret: in texts, environments and bundles.
constexpr bool sees_secrets(const std::optional<Role>& role) {
    return role && command::allows(*role, Right::Administer);
}

}  // namespace berth::access
