#include "controller/access/auth.h"

#include <algorithm>
#include <set>

#include "controller/access/password.h"
#include "controller/access/password_text.h"
#include "controller/access/secrets.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/os/ip_network.h"

namespace berth::access {

Result<std::unique_ptr<Auth>> Auth::create(const Stores& stores, Clock clock) {
    std::unique_ptr<Auth> auth(new Auth(stores, std::move(clock)));
    const std::string fresh = random_token();
    const auto device_key = stores.tokens.device_key(fresh);
    if (!device_key) {
        log::warning("browsers will not be known after the next start",
                     {{"error", device_key.error().message}});
    }
    auth->devices_ = std::make_unique<Devices>(device_key.value_or(fresh));
    BERTH_CHECK(auth->reload());
    BERTH_TRY(auto sessions, stores.sessions.all());
    const Now now = auth->clock_();
    for (store::SessionRow& row : sessions) {
        if (access::is_over(row, now.wall)) {
            BERTH_CHECK(stores.sessions.remove(row.token_hash));
            continue;
        }
        auth->state_.with([&row, &now](State& state) { state.table.restore(std::move(row), now); });
    }
    return auth;
}

Result<void> Auth::reload() {
    std::unique_lock changing(changes_);
    BERTH_TRY(const auto users, stores_.users.all());
    BERTH_TRY(const auto sessions, stores_.sessions.all());
    std::set<std::string> stored;
    for (const store::SessionRow& session : sessions) {
        stored.insert(session.token_hash);
    }
    const bool ended = state_.with([&](State& state) {
        state.table.set_users(users);
        return state.table.end_all_but(stored);
    });
    changing.unlock();
    if (ended) {
        tell_ended();
    }
    return {};
}

bool Auth::setup_required() const {
    return state_.with([](const State& state) { return !state.table.has_users(); });
}

// --- sessions

std::optional<Identity> Auth::identify(std::string_view token) {
    if (token.empty() || token.size() > 100) {
        return std::nullopt;
    }
    const std::string hash = token_hash(token);
    const Now now = clock_();
    return state_.with([&](State& state) { return state.table.use(hash, now); });
}

bool Auth::keep_alive(const std::string& session) {
    const Now now = clock_();
    return state_.with([&](State& state) { return state.table.use(session, now).has_value(); });
}

bool Auth::still_holds(const Identity& who) const {
    const Now now = clock_();
    return state_.with([&](const State& state) { return state.table.holds(who, now); });
}

Result<Opened> Auth::open_session(const store::UserRow& user, const std::string& address) {
    const Now now = clock_();
    Opened opened;
    opened.token = random_token();
    opened.identity = {user.name, user.role, random_token(), token_hash(opened.token)};
    const store::SessionRow row{
        opened.identity.session, user.name, opened.identity.csrf, now.wall, now.wall, address};
    std::unique_lock changing(changes_);
    BERTH_TRY(opened.identity.role, stores_.sessions.open(row, user.hash));
    const auto over =
        state_.with([&](State& state) { return state.table.open(row, opened.identity.role, now); });
    for (const std::string& hash : over) {
        BERTH_CHECK(stores_.sessions.remove(hash));
    }
    changing.unlock();
    store_uses();
    return opened;
}

// That sessions were used is written now and then only; a crash makes them a little older.
void Auth::store_uses() {
    const auto used = state_.with([](State& state) { return state.table.take_uses(); });
    for (const auto& [hash, time] : used) {
        if (const auto done = stores_.sessions.touch(hash, time); !done) {
            log::warning("the use of a session was not stored", {{"error", done.error().message}});
        }
    }
}

void Auth::log_out(const std::string& session) {
    {
        const std::lock_guard changing(changes_);
        state_.with([&](State& state) { state.table.end(session); });
        if (const auto done = stores_.sessions.remove(session); !done) {
            log::warning("the end of a session was not stored", {{"error", done.error().message}});
        }
    }
    tell_ended();
}

void Auth::tell_ended() {
    if (sessions_ended_) {
        sessions_ended_();
    }
}

// --- logging in

LoginBrake::Try Auth::try_of(const Credentials& credentials) const {
    const auto address = os::IpAddress::parse(credentials.address);
    std::string device = devices_->find(credentials.devices, credentials.user).value_or("");
    if (device.empty() && credentials.who && credentials.who->user == credentials.user) {
        device = credentials.who->session;
    }
    return {credentials.user, address ? address->owner() : credentials.address, std::move(device)};
}

// The try is counted before its work, so that tries in parallel do not all go for free.
Result<void> Auth::begin_try(const LoginBrake::Try& tried, Duration& retry_after) {
    const MonoTime now = clock_().mono;
    retry_after = state_.with([&](State& state) {
        const Duration wait = state.brake.wait(tried, now);
        if (wait == Duration::zero()) {
            state.brake.failed(tried, now);
        }
        return wait;
    });
    if (retry_after > Duration::zero()) {
        return fail(ErrorCode::Exhausted, "too many failed tries, wait a little");
    }
    return {};
}

// As it was typed, and then in the form that passwords are kept in: those of earlier versions are
// kept as they were typed.
static bool is_password(const std::string& hash, const std::string& typed) {
    if (verify_password(hash, typed)) {
        return true;
    }
    const auto text = composed(typed);
    return text && *text != typed && verify_password(hash, *text);
}

Result<Opened> Auth::log_in(const Credentials& credentials, Duration& retry_after) {
    const LoginBrake::Try tried = try_of(credentials);
    BERTH_CHECK(begin_try(tried, retry_after));
    std::optional<store::UserRow> user;
    if (is_valid_id(credentials.user) && credentials.password.size() <= kMaxPassword) {
        BERTH_TRY(user, stores_.users.find(credentials.user));
    }
    if (!is_password(user ? user->hash : "", credentials.password)) {
        return fail(ErrorCode::Unauthenticated, "the name or the password is wrong");
    }
    state_.with([&](State& state) { state.brake.succeeded(tried); });
    BERTH_TRY(auto opened, open_session(*user, credentials.address));
    opened.devices = devices_->with(credentials.devices, user->name);
    return opened;
}

Result<std::optional<std::string>> Auth::make_setup_token() {
    if (!setup_required()) {
        return std::optional<std::string>();
    }
    const std::string token = random_token();
    BERTH_CHECK(stores_.tokens.set_setup_token_hash(token_hash(token)));
    return std::optional(token);
}

Result<Opened> Auth::set_up(const std::string& token,
                            const Credentials& credentials,
                            Duration& retry_after) {
    const LoginBrake::Try tried{"", try_of(credentials).address, ""};
    BERTH_CHECK(begin_try(tried, retry_after));
    const std::string hash = token_hash(token);
    BERTH_TRY(const std::string expected, stores_.tokens.setup_token_hash());
    if (!setup_required() || expected.empty() || !same_secret(expected, hash)) {
        return fail(ErrorCode::PermissionDenied,
                    "this setup link is not valid, or was used already");
    }
    state_.with([&](State& state) { state.brake.succeeded(tried); });
    BERTH_TRY(const store::UserRow user,
              make_user(credentials.user, credentials.password, Role::Admin));
    BERTH_CHECK(stores_.users.add_first(user, hash));
    BERTH_TRY(auto opened, open_session(user, credentials.address));
    opened.devices = devices_->with(credentials.devices, user.name);
    return opened;
}

// --- users

// The hash of a password that `name` may have.
static Result<std::string> hash_of(const std::string& name, const std::string& typed) {
    const std::string password = composed(typed).value_or(typed);
    BERTH_CHECK(check_password(name, password));
    return hash_password(password);
}

Result<store::UserRow> Auth::make_user(const std::string& name,
                                       const std::string& password,
                                       Role role) const {
    if (!is_valid_id(name)) {
        return fail(ErrorCode::InvalidArgument, "a user's name is " + std::string(kIdRule));
    }
    BERTH_TRY(std::string hash, hash_of(name, password));
    return store::UserRow{name, std::move(hash), role, clock_().wall};
}

Result<void> Auth::check_admin(const Who& by) const {
    if (by && !(by->role == Role::Admin && still_holds(*by))) {
        return fail(ErrorCode::PermissionDenied, "your role does not allow this");
    }
    return {};
}

Result<void> Auth::add_user(const std::string& name,
                            const std::string& password,
                            Role role,
                            const Who& by) {
    BERTH_TRY(const store::UserRow user, make_user(name, password, role));
    const std::lock_guard changing(changes_);
    BERTH_CHECK(check_admin(by));
    BERTH_CHECK(stores_.users.add(user));
    state_.with([&](State& state) { state.table.set_user(name, role); });
    return {};
}

Result<void> Auth::change_user(const std::string& name,
                               const std::optional<Role>& role,
                               const std::optional<std::string>& password,
                               const Who& by) {
    std::optional<std::string> hash;
    if (password) {
        BERTH_TRY(hash, hash_of(name, *password));
    }
    {
        const std::lock_guard changing(changes_);
        BERTH_CHECK(check_admin(by));
        BERTH_CHECK(stores_.users.change(name, role, hash));
        state_.with([&](State& state) {
            if (role) {
                state.table.set_user(name, *role);
            }
            state.table.end_all_of(name, "");
        });
    }
    tell_ended();
    return {};
}

Result<void> Auth::replace_password(const std::string& name,
                                    const std::string& present,
                                    const std::string& password,
                                    const std::string& keep) {
    BERTH_TRY(const auto user, stores_.users.find(name));
    if (!is_password(user ? user->hash : "", present)) {
        return fail(ErrorCode::PermissionDenied, "the present password is wrong");
    }
    BERTH_TRY(const std::string hash, hash_of(name, password));
    {
        const std::lock_guard changing(changes_);
        BERTH_CHECK(stores_.users.set_password(name, user->hash, hash, keep));
        state_.with([&](State& state) { state.table.end_all_of(name, keep); });
    }
    tell_ended();
    return {};
}

Result<void> Auth::change_own_password(const Identity& who,
                                       const std::string& present,
                                       const std::string& password,
                                       Duration& retry_after) {
    // Of its own, so that nobody but who has this session is slowed down by its guesses.
    const LoginBrake::Try tried{who.user, "", who.session};
    BERTH_CHECK(begin_try(tried, retry_after));
    auto done = replace_password(who.user, present, password, who.session);
    // Of who knows the present one a bad choice of the next is no guess.
    if (done || done.error().code == ErrorCode::InvalidArgument) {
        state_.with([&](State& state) { state.brake.succeeded(tried); });
    }
    return done;
}

Result<void> Auth::change_password(const std::string& name,
                                   const std::string& present,
                                   const std::string& password) {
    return replace_password(name, present, password, "");
}

Result<void> Auth::remove_user(const std::string& name, const Who& by) {
    {
        const std::lock_guard changing(changes_);
        BERTH_CHECK(check_admin(by));
        BERTH_CHECK(stores_.users.remove(name));
        state_.with([&](State& state) { state.table.remove_user(name); });
    }
    tell_ended();
    return {};
}

}  // namespace berth::access
