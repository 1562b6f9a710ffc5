#pragma once

#include <array>
#include <cstdint>

#include "shared/base/enum_names.h"

// Who may what: of an agent's verbs, and of the controller's use cases.
namespace berth::command {

// What something that is asked for needs.
enum class Right : std::uint8_t {
    See,         // what there is, in which state, and why
    ReadLogs,    // what apps write: their output, and their messages
    Operate,     // start, stop, scale; send and remove messages
    Input,       // write to an app's input
    Configure,   // register descriptors, change settings
    Install,     // bring programs here
    Administer,  // users, agents, keys
};
inline constexpr auto kRightNames =
    enum_names<Right>("see", "read-logs", "operate", "input", "configure", "install", "administer");

// What a user, or a key, may do: `Viewer` reads, `Operator` acts on apps, `Admin` does everything.
enum class Role : std::uint8_t { Viewer, Operator, Admin };
inline constexpr auto kRoleNames = enum_names<Role>("viewer", "operator", "admin");

// The least role that has a right.
constexpr Role least_role(Right right) {
    switch (right) {
        case Right::See:
        case Right::ReadLogs:
            return Role::Viewer;
        case Right::Operate:
        case Right::Input:
            return Role::Operator;
        case Right::Configure:
        case Right::Install:
        case Right::Administer:
            break;
    }
    return Role::Admin;
}

// Each role includes those before it.
constexpr bool allows(Role role, Right right) {
    return role >= least_role(right);
}

}  // namespace berth::command
