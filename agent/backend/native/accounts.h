#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace berth::native {

// A user of this machine.
struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
    std::string home;
    std::string shell;
};

// By name or number. Error: there is none.
Result<Account> find_account(const std::string& user);
Result<gid_t> find_group(const std::string& group);

// All groups that an account is in. Error: more than 256.
Result<std::vector<gid_t>> groups_of(const Account& account);

}  // namespace berth::native
