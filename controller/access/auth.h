#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "controller/access/devices.h"
#include "controller/access/identity.h"
#include "controller/access/login_brake.h"
#include "controller/access/session_table.h"
#include "controller/store/sessions.h"
#include "controller/store/tokens.h"
#include "controller/store/users.h"
#include "shared/base/guarded.h"
#include "shared/base/result.h"

namespace berth::access {

// A session that was just opened; only here the token itself exists.
struct Opened {
    std::string token;
    Identity identity;
    std::string devices;  // the cookie by which the browser will be known
};

// Users and sessions. A session ends 60 minutes after it was used last and 12 hours after it began,
// at log out, and when its user's password or role changes (but the one that its own password was
// changed from), and when its user opens more than a hundred: then the one that was used longest
// ago. What reads sessions takes a lock for microseconds, from any thread; what changes users or
// sessions hashes and writes, in worker threads. Each change is one transaction of the store and
// then, before the next change, the same in memory: a log-in that overtakes a change of its user
// gets what the change has made of it.
class Auth {
public:
    static constexpr Duration kIdle = SessionTable::kIdle;
    static constexpr Duration kLongest = SessionTable::kLongest;

    using Clock = std::function<Now()>;

    // Where users and sessions are kept.
    struct Stores {
        store::Users& users;
        store::Sessions& sessions;
        store::Tokens& tokens;
    };

    // Reads users and sessions. `clock` is for tests.
    static Result<std::unique_ptr<Auth>> create(const Stores& stores, Clock clock = read_clocks);

    // The session of this token, marked as used. Nothing: unknown or over.
    std::optional<Identity> identify(std::string_view token);

    // Marks the session as used, as a live connection does. False: it is over.
    bool keep_alive(const std::string& session);

    // Whether this session still is, with the role that `who` was given. Marks no use.
    [[nodiscard]] bool still_holds(const Identity& who) const;

    // Whether there is no user yet.
    [[nodiscard]] bool setup_required() const;

    struct Credentials {
        std::string user;
        std::string password;
        std::string address;               // where the request came from
        std::string devices;               // the cookie of known browsers, "" for none
        std::optional<Identity> who = {};  // who is signed in there already
    };

    // Opens a session. Unauthenticated: wrong name or password. Exhausted: too many tries, and
    // `retry_after` says how long to wait.
    Result<Opened> log_in(const Credentials& credentials, Duration& retry_after);

    // Whether somebody has logged in with the browser that has this cookie.
    [[nodiscard]] bool knows_browser(std::string_view devices) const {
        return devices_->knows_any(devices);
    }

    // Who asks changes the own password; all other sessions of that user end. PermissionDenied:
    // `present` is not the password. Exhausted: as at log_in().
    Result<void> change_own_password(const Identity& who,
                                     const std::string& present,
                                     const std::string& password,
                                     Duration& retry_after);

    // The same from the command line, where all sessions end.
    Result<void> change_password(const std::string& name,
                                 const std::string& present,
                                 const std::string& password);

    // Ends one session.
    void log_out(const std::string& session);

    // A new one-time token for the first user; replaces an older one. Nothing: there are users.
    Result<std::optional<std::string>> make_setup_token();

    // Makes the first admin and opens a session. PermissionDenied: not the token, or used already.
    Result<Opened> set_up(const std::string& token,
                          const Credentials& credentials,
                          Duration& retry_after);

    // Changes of users. `by`: who asks, nothing for the command line; PermissionDenied when that
    // is no admin any more at the moment of the change.
    using Who = std::optional<Identity>;
    Result<void> add_user(const std::string& name,
                          const std::string& password,
                          Role role,
                          const Who& by = {});
    Result<void> change_user(const std::string& name,
                             const std::optional<Role>& role,
                             const std::optional<std::string>& password,
                             const Who& by = {});
    Result<void> remove_user(const std::string& name, const Who& by = {});

    // Reads users and sessions again, after another process has changed them.
    Result<void> reload();

    // Called, in the thread that ended them, when sessions end by log out or by a change of users.
    void on_sessions_ended(std::function<void()> callback) {
        sessions_ended_ = std::move(callback);
    }

private:
    struct State {
        SessionTable table;
        LoginBrake brake;
    };

    Auth(const Stores& stores, Clock clock) : stores_(stores), clock_(std::move(clock)) {}

    Result<store::UserRow> make_user(const std::string& name,
                                     const std::string& password,
                                     Role role) const;
    Result<Opened> open_session(const store::UserRow& user, const std::string& address);
    [[nodiscard]] Result<void> check_admin(const Who& by) const;
    Result<void> begin_try(const LoginBrake::Try& tried, Duration& retry_after);
    [[nodiscard]] LoginBrake::Try try_of(const Credentials& credentials) const;
    Result<void> replace_password(const std::string& name,
                                  const std::string& present,
                                  const std::string& password,
                                  const std::string& keep);
    void tell_ended();
    void store_uses();

    Stores stores_;
    Clock clock_;
    std::unique_ptr<Devices> devices_;
    std::function<void()> sessions_ended_;

    // Held over a change in the store and the same change in state_, so that they come in one
    // order. Never by what only reads.
    std::mutex changes_;
    Guarded<State> state_;
};

}  // namespace berth::access
