#include "controller/access/rights/rights.h"

namespace berth::access {

bool allows(const std::optional<Role>& role, Right right) {
    switch (right) {
        case Right::Public:
            return true;
        case Right::View:
            return role.has_value();
        case Right::Act:
            return role == Role::Operator || role == Role::Admin;
        case Right::Administer:
            return role == Role::Admin;
    }
    return false;
}

bool sees_secrets(const std::optional<Role>& role) {
    return role == Role::Admin;
}

}  // namespace berth::access
