#include "controller/service/users.h"

#include "controller/service/use_cases.h"
#include "shared/base/text.h"

namespace berth::service {

namespace {

// How a change of the user `name` went. Only what may be a name is written down.
Changed<void> changed(Result<void> done, const std::string& name, std::string verb = {}) {
    Note note{is_valid_id(name) ? name : "-",
              done ? "done" : "failed: " + done.error().message,
              std::move(verb)};
    return Changed<void>::begun({std::move(done)}, std::move(note));
}

}  // namespace

Result<std::vector<store::UserRow>> Users::all(const Caller& caller) const {
    BERTH_CHECK(Runner::allowed(kShowUsers, caller));
    return users_.all();
}

Result<void> Users::add(const Caller& caller,
                        const std::string& name,
                        const std::string& password,
                        access::Role role) {
    return runner_.change_now<void>(kAddUser, caller, [&] {
        return changed(auth_.add_user(name, password, role, caller.who),
                       name,
                       "add user as " + std::string(access::kRoleNames.name(role)));
    });
}

Result<void> Users::change(const Caller& caller,
                           const std::string& name,
                           const UserChange& change) {
    return runner_.change_now<void>(kChangeUser, caller, [&] {
        std::string verb = change.password ? "set password" : "";
        if (change.role) {
            verb += (verb.empty() ? "" : ", ");
            verb += "make " + std::string(access::kRoleNames.name(*change.role));
        }
        return changed(
            auth_.change_user(name, change.role, change.password, caller.who), name, verb);
    });
}

Result<void> Users::reset_password(const Caller& caller,
                                   const std::string& name,
                                   const std::string& password) {
    return runner_.change_now<void>(kResetPassword, caller, [&] {
        return changed(auth_.change_user(name, std::nullopt, password, caller.who), name);
    });
}

Result<void> Users::change_password(const Caller& caller,
                                    const std::string& name,
                                    const std::string& present,
                                    const std::string& password) {
    return runner_.change_now<void>(kChangeOwnPassword, caller, [&] {
        return changed(auth_.change_password(name, present, password), name);
    });
}

Result<void> Users::remove(const Caller& caller, const std::string& name) {
    return runner_.change_now<void>(
        kRemoveUser, caller, [&] { return changed(auth_.remove_user(name, caller.who), name); });
}

Result<std::vector<store::AuditRow>> Users::audit(const Caller& caller,
                                                  std::uint64_t before,
                                                  std::size_t limit) const {
    BERTH_CHECK(Runner::allowed(kShowAudit, caller));
    return audit_.page(before, limit);
}

}  // namespace berth::service
