#pragma once

#include <string>
#include <vector>

#include "controller/access/rights/rights.h"
#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::store {

struct SessionRow {
    std::string token_hash;  // never the token
    std::string user;
    std::string csrf;
    WallTime created;
    WallTime last_used;
    std::string address;  // where it was opened from
};

// The sessions of users. Durable when a call has returned. Any thread, but no loop: a call may take
// long.
class Sessions {
public:
    Sessions() = default;
    virtual ~Sessions() = default;
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    virtual Result<std::vector<SessionRow>> all() = 0;

    // Adds a session for who has proved a password whose hash is `hash`, and gives the role as it
    // is now. Unauthenticated: the user has another password by now, or is gone.
    virtual Result<access::Role> open(const SessionRow& session, const std::string& hash) = 0;
    virtual Result<void> touch(const std::string& token_hash, WallTime used) = 0;
    virtual Result<void> remove(const std::string& token_hash) = 0;
    virtual Result<void> remove_all() = 0;
};

}  // namespace berth::store
