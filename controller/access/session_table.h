#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/access/identity.h"
#include "controller/store/sessions.h"
#include "controller/store/users.h"
#include "shared/time/clock.h"

namespace berth::access {

// Users and sessions as they are in memory, which each request asks. A session is over 60 minutes
// after it was used last and 12 hours after it began, by the clock that runs since the boot:
// setting the wall clock neither ends sessions nor makes them longer. Pure: no lock, no store.
class SessionTable {
public:
    static constexpr Duration kIdle = std::chrono::minutes(60);
    static constexpr Duration kLongest = std::chrono::hours(12);

    // All users there are.
    void set_users(const std::vector<store::UserRow>& users);

    void set_user(const std::string& name, Role role) { users_[name] = role; }

    // The user's sessions go, too.
    void remove_user(const std::string& name);

    [[nodiscard]] bool has_users() const { return !users_.empty(); }

    // A session that an earlier controller has stored. Only the wall clock tells how old it is.
    void restore(store::SessionRow row, const Now& now);

    // Opens one for a user who has this role now. Gives the token hashes of those that go: of all
    // that are over, and, where there are as many as may be, of the user's own and of all the one
    // that was used longest ago.
    std::vector<std::string> open(const store::SessionRow& row, Role role, const Now& now);

    // Marks a session as used. Nothing: there is none, or it is over.
    std::optional<Identity> use(const std::string& token_hash, const Now& now);

    // Whether this session still is, with the role that `who` was given. Marks no use.
    [[nodiscard]] bool holds(const Identity& who, const Now& now) const;

    void end(const std::string& token_hash) { sessions_.erase(token_hash); }

    // All sessions of a user but `keep`.
    void end_all_of(const std::string& user, const std::string& keep);

    // Ends those that are not among `stored`. Whether there were any.
    bool end_all_but(const std::set<std::string>& stored);

    // When sessions were used last, of those whose last use that was taken is a while ago.
    std::map<std::string, WallTime> take_uses();

private:
    struct Session {
        store::SessionRow row;
        Duration created;  // since the boot
        Duration last_used;
        Duration stored_use;  // the last use that was taken
    };

    static bool is_over(const Session& session, const Now& now);
    [[nodiscard]] std::optional<std::string> surplus_of(const std::string& user) const;

    std::map<std::string, Role> users_;
    std::map<std::string, Session> sessions_;  // by token hash
};

// Whether a session that an earlier controller has stored is over.
bool is_over(const store::SessionRow& session, WallTime now);

}  // namespace berth::access
