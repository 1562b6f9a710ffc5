#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controller/access/rights/rights.h"
#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::store {

using access::Role;

struct UserRow {
    std::string name;
    std::string hash;  // Argon2id, as libsodium writes it
    Role role = Role::Viewer;
    WallTime created;
};

struct SessionRow {
    std::string token_hash;  // never the token
    std::string user;
    std::string csrf;
    WallTime created;
    WallTime last_used;
    std::string address;  // where it was opened from
};

struct AgentRow {
    std::string name;
    std::string endpoint;
    std::string public_key;
};

struct AuditRow {
    std::uint64_t id = 0;
    WallTime time;
    std::string actor;
    std::string address;
    std::string verb;
    std::string target;
    std::string result;
};

// controller.db. Durable when a call has returned (WAL, FULL). Any thread: calls are serialised by
// a lock, and made by worker threads and at start, never by the loops, because a sync may take
// long.
class Store {
public:
    // Makes the file and migrates it. ":memory:" for tests.
    static Result<std::unique_ptr<Store>> open(const std::string& file);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    Result<std::vector<UserRow>> users();
    Result<std::optional<UserRow>> user(const std::string& name);

    // AlreadyExists: the name is taken.
    Result<void> add_user(const UserRow& user);

    // Changes what is given and removes the user's sessions, both or none. NotFound; WrongState:
    // nobody would be an admin any more.
    Result<void> change_user(const std::string& name,
                             const std::optional<Role>& role,
                             const std::optional<std::string>& hash);

    // Gives a user the hash of another password in the place of `before`, and removes the user's
    // sessions but `keep`. Unauthenticated: the user has another password by now, or is gone.
    Result<void> set_password(const std::string& name,
                              const std::string& before,
                              const std::string& hash,
                              const std::string& keep);

    // Its sessions go with it.
    Result<void> remove_user(const std::string& name);

    Result<std::vector<SessionRow>> sessions();

    // Adds a session for who has proved a password whose hash is `hash`, and gives the role as it
    // is now. Unauthenticated: the user has another password by now, or is gone.
    Result<Role> open_session(const SessionRow& session, const std::string& hash);
    Result<void> touch_session(const std::string& token_hash, WallTime used);
    Result<void> remove_session(const std::string& token_hash);
    Result<void> remove_all_sessions();

    // The hash of the one-time setup token; "" when there is none.
    Result<std::string> setup_token_hash();
    Result<void> set_setup_token_hash(const std::string& hash);

    // Adds the first user and uses the setup token up, both or none. PermissionDenied: it is not
    // the token, or there are users.
    Result<void> add_first_user(const UserRow& user, const std::string& setup_token_hash);

    // The key that known browsers are told by. The first one that is offered is kept.
    Result<std::string> device_key(const std::string& offered);

    Result<std::vector<AgentRow>> agents();
    Result<void> add_agent(const AgentRow& agent);
    Result<void> remove_agent(const std::string& name);

    // Of the audit log the last million entries are kept; those cannot be changed or removed.
    Result<void> add_audit(const AuditRow& row);

    // The newest first, at most `limit`, older than row `before` (0: from the newest).
    Result<std::vector<AuditRow>> audit(std::uint64_t before, std::size_t limit);

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);

    // Runs `body` under the lock with SQLite's exceptions turned into Io errors.
    template <class T, class Body>
    Result<T> guarded(const char* what, Body body);

    std::mutex mutex_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
