#include "agent/backend/native/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <array>
#include <optional>

#include "shared/base/text.h"
#include "shared/os/os_error.h"

namespace berth::native {

Result<Account> find_account(const std::string& user) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    const auto id = parse_integer<unsigned>(user);
    const int error = id ? ::getpwuid_r(*id, &entry, buffer.data(), buffer.size(), &found)
                         : ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(ErrorCode::NotFound,
                    "user \"" + user + "\" does not exist" +
                        (error != 0 ? ": " + os::error_text(error) : ""));
    }
    return Account{entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, entry.pw_shell};
}

Result<gid_t> find_group(const std::string& group) {
    if (const auto id = parse_integer<unsigned>(group)) {
        return *id;
    }
    std::array<char, 16384> buffer{};

    struct group entry {};
    struct group* found = nullptr;
    (void)::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
        return fail(ErrorCode::NotFound, "group \"" + group + "\" does not exist");
    }
    return entry.gr_gid;
}

Result<std::vector<gid_t>> groups_of(const Account& account) {
    std::array<gid_t, 256> groups{};
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(account.name.c_str(), account.gid, groups.data(), &count) < 0) {
        return fail(ErrorCode::TooLarge,
                    "user \"" + account.name + "\" is in more than 256 groups");
    }
    return std::vector<gid_t>(groups.begin(), groups.begin() + count);
}

}  // namespace berth::native
