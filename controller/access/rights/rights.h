#pragma once

#include <cstdint>
#include <optional>

#include "shared/base/enum_names.h"

namespace berth::access {

// What a user may do: `Viewer` reads, `Operator` acts on apps, `Admin` does everything.
enum class Role : std::uint8_t { Viewer, Operator, Admin };
inline constexpr auto kRoleNames = enum_names<Role>("viewer", "operator", "admin");

// What something that is asked for needs. Each includes those before it.
enum class Right : std::uint8_t { Public, View, Act, Administer };

// The least that has a right, as the API's description names it.
inline constexpr auto kRightNames = enum_names<Right>("everybody", "viewer", "operator", "admin");

// Whether a role has a right; nothing: nobody is signed in.
bool allows(const std::optional<Role>& role, Right right);

// Whether a role sees what looks like a secret: in texts, environments and bundles.
bool sees_secrets(const std::optional<Role>& role);

}  // namespace berth::access
