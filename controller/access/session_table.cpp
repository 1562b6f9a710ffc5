#include "controller/access/session_table.h"

#include <algorithm>

namespace berth::access {

namespace {

constexpr Duration kStoreUseEvery = std::chrono::minutes(5);
constexpr std::size_t kMaxSessions = 10'000;
constexpr std::size_t kMaxSessionsOfUser = 100;

Duration since_boot(WallTime time, const Now& now) {
    return now.boot - std::max(Duration::zero(), now.wall - time);
}

}  // namespace

bool is_over(const store::SessionRow& session, WallTime now) {
    return now - session.last_used > SessionTable::kIdle ||
           now - session.created > SessionTable::kLongest ||
           session.created - now > SessionTable::kLongest;  // the clock was set back
}

bool SessionTable::is_over(const Session& session, const Now& now) {
    return now.boot - session.last_used > kIdle || now.boot - session.created > kLongest;
}

void SessionTable::set_users(const std::vector<store::UserRow>& users) {
    users_.clear();
    for (const store::UserRow& user : users) {
        users_.emplace(user.name, user.role);
    }
}

void SessionTable::remove_user(const std::string& name) {
    users_.erase(name);
    end_all_of(name, "");
}

void SessionTable::restore(store::SessionRow row, const Now& now) {
    const Duration created = since_boot(row.created, now);
    const Duration used = since_boot(row.last_used, now);
    std::string key = row.token_hash;
    sessions_.insert_or_assign(std::move(key), Session{std::move(row), created, used, used});
}

std::vector<std::string> SessionTable::open(const store::SessionRow& row,
                                            Role role,
                                            const Now& now) {
    users_[row.user] = role;  // another process may have added the user
    std::vector<std::string> over;
    std::erase_if(sessions_, [&](const auto& entry) {
        const bool ended = is_over(entry.second, now);
        if (ended) {
            over.push_back(entry.first);
        }
        return ended;
    });
    for (const auto& oldest : {surplus_of(row.user), surplus_of("")}) {
        if (oldest) {
            sessions_.erase(*oldest);
            over.push_back(*oldest);
        }
    }
    sessions_.insert_or_assign(row.token_hash, Session{row, now.boot, now.boot, now.boot});
    return over;
}

// The session that was used longest ago, when there are as many as may be: of one user, or with ""
// of all. Who opens more ends the own ones.
std::optional<std::string> SessionTable::surplus_of(const std::string& user) const {
    const std::string* oldest = nullptr;
    Duration used = Duration::max();
    std::size_t count = 0;
    for (const auto& [hash, session] : sessions_) {
        if (!user.empty() && session.row.user != user) {
            continue;
        }
        ++count;
        if (session.last_used < used) {
            used = session.last_used;
            oldest = &hash;
        }
    }
    const bool full = count >= (user.empty() ? kMaxSessions : kMaxSessionsOfUser);
    return full ? std::optional(*oldest) : std::nullopt;
}

std::optional<Identity> SessionTable::use(const std::string& token_hash, const Now& now) {
    const auto found = sessions_.find(token_hash);
    if (found == sessions_.end() || is_over(found->second, now)) {
        return std::nullopt;
    }
    store::SessionRow& row = found->second.row;
    const auto user = users_.find(row.user);
    if (user == users_.end()) {
        return std::nullopt;
    }
    row.last_used = now.wall;
    found->second.last_used = now.boot;
    return Identity{row.user, user->second, row.csrf, token_hash};
}

bool SessionTable::holds(const Identity& who, const Now& now) const {
    const auto session = sessions_.find(who.session);
    const auto user = users_.find(who.user);
    return session != sessions_.end() && !is_over(session->second, now) && user != users_.end() &&
           user->second == who.role;
}

void SessionTable::end_all_of(const std::string& user, const std::string& keep) {
    std::erase_if(sessions_, [&](const auto& entry) {
        return entry.second.row.user == user && entry.first != keep;
    });
}

bool SessionTable::end_all_but(const std::set<std::string>& stored) {
    return std::erase_if(sessions_, [&stored](const auto& entry) {
               return stored.count(entry.first) == 0;
           }) > 0;
}

std::map<std::string, WallTime> SessionTable::take_uses() {
    std::map<std::string, WallTime> used;
    for (auto& [hash, session] : sessions_) {
        if (session.last_used - session.stored_use > kStoreUseEvery) {
            session.stored_use = session.last_used;
            used.emplace(hash, session.row.last_used);
        }
    }
    return used;
}

}  // namespace berth::access
