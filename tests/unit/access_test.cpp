#include <catch2/catch.hpp>

#include "controller/access/auth.h"
#include "controller/access/common_passwords.h"
#include "controller/access/devices.h"
#include "controller/access/password.h"
#include "controller/access/password_text.h"
#include "controller/access/secrets.h"
#include "controller/access/throttle.h"
#include "controller/store/sqlite/open.h"

using namespace std::chrono_literals;
using berth::Duration;
using berth::ErrorCode;
using berth::MonoTime;
using berth::Now;
using berth::WallTime;
using berth::access::Auth;
using berth::access::Role;
using berth::access::Throttle;

namespace {

constexpr const char* kGood = "correct horse battery";

// A store in memory, users and sessions on it, and a clock that the test moves.
struct World {
    Now now{MonoTime(1h), WallTime(24h * 20'000)};
    std::unique_ptr<berth::store::Database> store =
        std::move(*berth::store::sqlite::open(":memory:"));

    [[nodiscard]] Auth::Stores stores() const {
        return {store->users(), store->sessions(), store->tokens()};
    }

    std::unique_ptr<Auth> auth = std::move(*Auth::create(stores(), [this] { return now; }));

    void pass(Duration time) {
        now.mono += std::chrono::duration_cast<berth::MonoClock::duration>(time);
        now.wall += time;
        now.boot += time;
    }

    berth::Result<berth::access::Opened> log_in(const std::string& user,
                                                const std::string& password,
                                                const std::string& address = "10.0.0.1",
                                                const std::string& devices = "") {
        return auth->log_in({user, password, address, devices}, retry_after);
    }

    Duration retry_after = Duration::zero();
};

}  // namespace

TEST_CASE("passwords that everybody tries are refused") {
    using berth::access::check_password;
    for (const char* bad : {"",
                            "short",
                            "1234567",
                            "password",
                            "PassWord1",
                            "12345678",
                            "aaaaaaaaaaaa",
                            "annannann"}) {
        CAPTURE(bad);
        CHECK_FALSE(check_password("annannann", bad));
    }
    CHECK(check_password("ann", kGood));
    CHECK(check_password("ann", std::string(64, 'a') + "b"));
    CHECK_FALSE(check_password("ann", std::string(300, 'a') + "b"));
    // Of the list of common ones, from its beginning to its end, and those it is too old for.
    for (const char* common :
         {"password1", "sunshine", "trustno1", "liverpool", "ZAQ12WSX", "Summer2026"}) {
        CAPTURE(common);
        const auto checked = check_password("ann", common);
        REQUIRE_FALSE(checked);
        CHECK(checked.error().message.find("everybody tries") != std::string::npos);
    }
}

TEST_CASE("the commonest passwords are built in") {
    using berth::access::is_common_password;
    for (const char* common : {"123456", "password", "12345678", "zxcvbnm", "sss"}) {
        CAPTURE(common);
        CHECK(is_common_password(common));
    }
    CHECK_FALSE(is_common_password(""));
    CHECK_FALSE(is_common_password("#!comment: this list has been compiled"));
}

TEST_CASE("a password is text without control characters, and has eight characters, not bytes") {
    using berth::access::check_password;
    CHECK(check_password("ann", "äöüäöüäß"));
    CHECK_FALSE(check_password("ann", "äöüä"));  // eight bytes
    for (const std::string& bad : {std::string("correct horse\r"),
                                   std::string("correct\nhorse"),
                                   std::string("correct\thorse"),
                                   std::string("correct\0horse", 13),
                                   std::string("correct horse\xFF"),
                                   std::string("correct horse\xC3"),
                                   std::string("correct \xED\xA0\x80 horse")}) {
        CAPTURE(bad);
        CHECK_FALSE(check_password("ann", bad));
    }
}

TEST_CASE("a password that is piped in is one line") {
    using berth::access::password_of_line;
    CHECK(password_of_line("a b \n") == "a b ");
    CHECK(password_of_line("a") == "a");
    for (const char* bad : {"", "\n", "a\r\n", "a\r", "a\nb", "a\nb\n", "a\n\n"}) {
        CAPTURE(bad);
        CHECK_FALSE(password_of_line(bad));
    }
}

TEST_CASE("a password is the same however a system composes its characters") {
    World world;
    const std::string one = "caf\u00E9 con leche";
    const std::string two = "cafe\u0301 con leche";
    REQUIRE(world.auth->add_user("ann", two, Role::Admin));
    CHECK(world.log_in("ann", one));
    CHECK(world.log_in("ann", two));
    CHECK_FALSE(world.log_in("ann", "cafe con leche"));
    // One that an earlier version has stored as it was typed.
    REQUIRE(world.store->users().add(
        {"bob", *berth::access::hash_password(two), Role::Viewer, world.now.wall}));
    world.auth = std::move(*Auth::create(world.stores(), [&] { return world.now; }));
    CHECK(world.log_in("bob", two));
    CHECK_FALSE(world.log_in("bob", "caf\xE9 con leche"));
}

TEST_CASE("everybody changes the own password, and all other sessions end") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Viewer));
    const auto here = world.log_in("ann", kGood);
    const auto there = world.log_in("ann", kGood);
    REQUIRE(here);
    REQUIRE(there);
    int ended = 0;
    world.auth->on_sessions_ended([&ended] { ++ended; });
    const auto change = [&](const std::string& present, const std::string& password) {
        return world.auth->change_own_password(
            here->identity, present, password, world.retry_after);
    };
    const auto wrong = change("not the present one", "another good one");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == ErrorCode::PermissionDenied);
    const auto bad = change(kGood, "12345678");
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code == ErrorCode::InvalidArgument);
    for (int i = 0; i < 8; ++i) {
        CHECK(change(kGood, "12345678").error().code == ErrorCode::InvalidArgument);
    }
    CHECK(world.auth->identify(there->token));
    CHECK(ended == 0);
    REQUIRE(change(kGood, "another good one"));
    CHECK(ended == 1);
    CHECK(world.auth->identify(here->token));
    CHECK_FALSE(world.auth->identify(there->token));
    CHECK(world.store->sessions().all()->size() == 1);
    CHECK_FALSE(world.log_in("ann", kGood));
    CHECK(world.log_in("ann", "another good one"));
    // Who sits at a session that was left open does not get to guess for long.
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(change("a guess of mine", "another good one"));
    }
    const auto slowed = change("another good one", "a third good one");
    REQUIRE_FALSE(slowed);
    CHECK(slowed.error().code == ErrorCode::Exhausted);
    CHECK(world.retry_after > 0s);
    CHECK(world.log_in("ann", "another good one"));
}

TEST_CASE("who opens more than a hundred sessions ends the own ones, and nobody else's") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    REQUIRE(world.auth->add_user("eve", kGood, Role::Viewer));
    const auto ann = world.log_in("ann", kGood);
    REQUIRE(ann);
    std::vector<std::string> tokens;
    for (int i = 0; i < 102; ++i) {
        world.pass(1s);
        const auto opened = world.log_in("eve", kGood);
        REQUIRE(opened);
        tokens.push_back(opened->token);
    }
    CHECK_FALSE(world.auth->identify(tokens[0]));
    CHECK_FALSE(world.auth->identify(tokens[1]));
    CHECK(world.auth->identify(tokens[2]));
    CHECK(world.auth->identify(tokens[101]));
    CHECK(world.auth->identify(ann->token));
    CHECK(world.store->sessions().all()->size() == 101);
}

TEST_CASE("sessions that another process has ended are over after a reload") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    const auto opened = world.log_in("ann", kGood);
    REQUIRE(opened);
    const auto other = std::move(*Auth::create(world.stores(), [&] { return world.now; }));
    REQUIRE(other->change_password("ann", kGood, "another good one"));
    CHECK(world.auth->identify(opened->token));
    REQUIRE(world.auth->reload());
    CHECK_FALSE(world.auth->identify(opened->token));
}

TEST_CASE("a hash is of one password") {
    using berth::access::verify_password;
    const auto hash = berth::access::hash_password(kGood);
    REQUIRE(hash);
    CHECK(hash->rfind("$argon2id$", 0) == 0);
    CHECK(verify_password(*hash, kGood));
    CHECK_FALSE(verify_password(*hash, "another one"));
    CHECK_FALSE(verify_password("", kGood));
    CHECK_FALSE(verify_password("garbage", kGood));
}

TEST_CASE("tokens are random and their hashes are not they") {
    const auto token = berth::access::random_token();
    CHECK(token.size() == 43);
    CHECK(token != berth::access::random_token());
    CHECK(berth::access::token_hash(token).size() == 64);
    CHECK(berth::access::same_secret("abc", "abc"));
    CHECK_FALSE(berth::access::same_secret("abc", "abd"));
    CHECK_FALSE(berth::access::same_secret("abc", ""));
}

TEST_CASE("who guesses waits longer each time, and never for ever") {
    Throttle throttle;
    MonoTime now(1h);
    for (int i = 0; i < 4; ++i) {
        CHECK(throttle.wait("a", now) == 0s);
        throttle.failed("a", now);
    }
    CHECK(throttle.wait("a", now) == 0s);
    const Duration expected[] = {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
    for (const Duration wait : expected) {
        throttle.failed("a", now);
        CHECK(throttle.wait("a", now) == wait);
        now += std::chrono::duration_cast<berth::MonoClock::duration>(wait);
        CHECK(throttle.wait("a", now) == 0s);
    }
    CHECK(throttle.wait("b", now) == 0s);
    throttle.succeeded("a");
    throttle.failed("a", now);
    CHECK(throttle.wait("a", now) == 0s);
}

TEST_CASE("the throttle is bounded and forgets") {
    Throttle throttle({.max_entries = 100});
    MonoTime now(1h);
    for (int i = 0; i < 1000; ++i) {
        throttle.failed("key " + std::to_string(i), now);
        now += 1ms;
    }
    CHECK(throttle.entries() == 100);
    for (int i = 0; i < 9; ++i) {
        throttle.failed("x", now);
    }
    CHECK(throttle.wait("x", now) > 0s);
    now += 16min;
    throttle.failed("x", now);
    CHECK(throttle.wait("x", now) == 0s);
}

TEST_CASE("a session lives as long as it is used, and not for ever") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Operator));
    const auto opened = world.log_in("ann", kGood);
    REQUIRE(opened);
    const auto who = world.auth->identify(opened->token);
    REQUIRE(who);
    CHECK(who->user == "ann");
    CHECK(who->role == Role::Operator);
    CHECK(who->csrf == opened->identity.csrf);
    CHECK(who->actor() == "ann from the panel");
    CHECK_FALSE(world.auth->identify(""));
    CHECK_FALSE(world.auth->identify(opened->identity.session));
    CHECK_FALSE(world.auth->identify(std::string(1000, 'a')));

    SECTION("idle") {
        world.pass(59min);
        CHECK(world.auth->identify(opened->token));
        world.pass(59min);
        CHECK(world.auth->keep_alive(opened->identity.session));
        world.pass(61min);
        CHECK_FALSE(world.auth->identify(opened->token));
        CHECK_FALSE(world.auth->keep_alive(opened->identity.session));
    }
    SECTION("at the longest") {
        for (int i = 0; i < 24; ++i) {
            world.pass(30min);
            CHECK(world.auth->keep_alive(opened->identity.session));
        }
        world.pass(1min);
        CHECK_FALSE(world.auth->identify(opened->token));
    }
    SECTION("log out") {
        world.auth->log_out(who->session);
        CHECK_FALSE(world.auth->identify(opened->token));
        CHECK(world.store->sessions().all()->empty());
    }
    SECTION("over a restart") {
        world.pass(10min);
        auto again = std::move(*Auth::create(world.stores(), [&] { return world.now; }));
        CHECK(again->identify(opened->token));
        world.pass(70min);
        again = std::move(*Auth::create(world.stores(), [&] { return world.now; }));
        CHECK_FALSE(again->identify(opened->token));
        CHECK(world.store->sessions().all()->empty());
    }
    SECTION("another role or password ends it") {
        int ended = 0;
        world.auth->on_sessions_ended([&ended] { ++ended; });
        REQUIRE(world.auth->add_user("root", kGood, Role::Admin));
        REQUIRE(world.auth->change_user("ann", Role::Viewer, std::nullopt));
        CHECK_FALSE(world.auth->identify(opened->token));
        const auto next = world.log_in("ann", kGood);
        REQUIRE(next);
        CHECK(next->identity.role == Role::Viewer);
        REQUIRE(world.auth->change_user("ann", std::nullopt, std::string("a new password")));
        CHECK_FALSE(world.auth->identify(next->token));
        CHECK_FALSE(world.log_in("ann", kGood));
        CHECK(world.log_in("ann", "a new password"));
        CHECK(ended == 2);
    }
    SECTION("the user is removed") {
        REQUIRE(world.auth->remove_user("ann"));
        CHECK_FALSE(world.auth->identify(opened->token));
        CHECK_FALSE(world.log_in("ann", kGood));
    }
}

// The clock is asked between reading the user and checking the password, which takes long: what
// happens then is what an admin does while somebody logs in.
TEST_CASE("who logs in while an admin changes the user gets what the change made") {
    World world;
    REQUIRE(world.auth->add_user("root", kGood, Role::Admin));
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    std::function<void()> meanwhile;
    int asked = 0;
    world.auth = std::move(*Auth::create(world.stores(), [&] {
        if (++asked == 2 && meanwhile) {
            std::exchange(meanwhile, {})();
        }
        return world.now;
    }));
    const auto log_in_while = [&](std::function<void()> change) {
        meanwhile = std::move(change);
        asked = 0;
        auto opened = world.log_in("ann", kGood);
        CHECK_FALSE(meanwhile);  // it was done in between
        return opened;
    };
    SECTION("demoted") {
        const auto opened = log_in_while(
            [&] { CHECK(world.auth->change_user("ann", Role::Viewer, std::nullopt)); });
        REQUIRE(opened);
        CHECK(opened->identity.role == Role::Viewer);
        CHECK(world.auth->identify(opened->token)->role == Role::Viewer);
        CHECK((*world.store->users().find("ann"))->role == Role::Viewer);
    }
    SECTION("another password") {
        CHECK_FALSE(log_in_while([&] {
            CHECK(world.auth->change_user("ann", std::nullopt, std::string("a new password")));
        }));
        CHECK(world.store->sessions().all()->empty());
        CHECK(world.log_in("ann", "a new password"));
    }
    SECTION("removed") {
        CHECK_FALSE(log_in_while([&] { CHECK(world.auth->remove_user("ann")); }));
        CHECK(world.store->sessions().all()->empty());
    }
    SECTION("removed and added again with another password") {
        CHECK_FALSE(log_in_while([&] {
            CHECK(world.auth->remove_user("ann"));
            CHECK(world.auth->add_user("ann", "a new password", Role::Admin));
        }));
    }
}

TEST_CASE("who is no admin any more changes no user, not even with a request that came before") {
    World world;
    REQUIRE(world.auth->add_user("root", kGood, Role::Admin));
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    const auto opened = world.log_in("ann", kGood);
    REQUIRE(opened);
    CHECK(world.auth->still_holds(opened->identity));
    REQUIRE(world.auth->change_user("ann", Role::Viewer, std::nullopt));
    CHECK_FALSE(world.auth->still_holds(opened->identity));
    const auto by = opened->identity;
    for (const auto& refused : {world.auth->change_user("ann", Role::Admin, std::nullopt, by),
                                world.auth->add_user("eve", kGood, Role::Admin, by),
                                world.auth->remove_user("root", by)}) {
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::PermissionDenied);
    }
    CHECK(world.store->users().all()->size() == 2);
}

TEST_CASE("wrong names and wrong passwords look the same and are slowed down") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    const auto wrong = world.log_in("ann", "wrong password");
    const auto nobody = world.log_in("nobody", "wrong password");
    REQUIRE_FALSE(wrong);
    REQUIRE_FALSE(nobody);
    CHECK(wrong.error().code == ErrorCode::Unauthenticated);
    CHECK(wrong.error().message == nobody.error().message);
    for (int i = 0; i < 4; ++i) {
        CHECK_FALSE(world.log_in("ann", "wrong password"));
    }
    const auto throttled = world.log_in("ann", kGood);
    REQUIRE_FALSE(throttled);
    CHECK(throttled.error().code == ErrorCode::Exhausted);
    CHECK(world.retry_after > 0s);
    world.pass(world.retry_after);
    CHECK(world.log_in("ann", kGood));
}

TEST_CASE("guesses shut nobody out but who guesses") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    REQUIRE(world.auth->add_user("eve", kGood, Role::Viewer));
    const auto guess = [&](const std::string& user, const std::string& address) {
        const auto opened = world.log_in(user, "a wrong guess", address);
        return !opened && opened.error().code == ErrorCode::Exhausted ? 429 : 401;
    };
    const auto slowed = [&](const std::string& user, const std::string& address) {
        for (int i = 0; i < 8; ++i) {
            if (guess(user, address) == 429) {
                return true;
            }
        }
        return false;
    };
    const auto known = world.log_in("ann", kGood, "10.0.0.1");
    REQUIRE(known);

    SECTION("for three minutes the owner gets in from elsewhere, and in a browser that is known") {
        for (int second = 0; second < 180; ++second) {
            (void)guess("ann", "10.0.0.1");
            if (second % 5 == 0) {
                CHECK(world.log_in("ann", kGood, "10.0.0.2"));
                CHECK(world.log_in("ann", kGood, "10.0.0.1", known->devices));
            }
            world.pass(1s);
        }
        CHECK_FALSE(
            world.log_in("ann", kGood, "10.0.0.1"));  // whom it cannot tell from who guesses
    }
    SECTION("and where the owner is signed in already") {
        REQUIRE(slowed("ann", "10.0.0.1"));
        CHECK(
            world.auth->log_in({"ann", kGood, "10.0.0.1", "", known->identity}, world.retry_after));
        const auto own = world.log_in("eve", kGood, "10.0.0.1");
        REQUIRE(own);
        CHECK_FALSE(
            world.auth->log_in({"ann", kGood, "10.0.0.1", "", own->identity}, world.retry_after));
    }
    SECTION("others at the address get in") {
        REQUIRE(slowed("ann", "10.0.0.1"));
        CHECK(world.log_in("eve", kGood, "10.0.0.1"));
    }
    SECTION("logging in to the own account frees no guesses at others") {
        REQUIRE(slowed("ann", "10.0.0.1"));
        const auto own = world.log_in("eve", kGood, "10.0.0.1");
        REQUIRE(own);
        CHECK(guess("ann", "10.0.0.1") == 429);
        CHECK_FALSE(world.log_in("ann", "a wrong guess", "10.0.0.1", own->devices));
        CHECK(world.retry_after > 0s);  // that browser is known for eve alone
    }
    SECTION("a known browser is slowed down by its own guesses") {
        for (int i = 0; i < 6; ++i) {
            CHECK_FALSE(world.log_in("ann", "a wrong guess", "10.0.0.9", known->devices));
        }
        CHECK(world.retry_after > 0s);
        CHECK(world.log_in("ann", kGood, "10.0.0.9"));
    }
    SECTION("who tries many accounts has one free try at each") {
        for (int i = 0; i < 21; ++i) {
            CHECK(guess("user" + std::to_string(i), "10.0.0.1") == 401);
        }
        CHECK(guess("ann", "10.0.0.1") == 401);
        CHECK(guess("ann", "10.0.0.1") == 401);
        CHECK(guess("ann", "10.0.0.1") == 429);
        CHECK(world.log_in("eve", kGood, "10.0.0.1"));
    }
    SECTION("an account that is guessed at from everywhere, too") {
        for (int i = 0; i < 51; ++i) {
            CHECK(guess("ann", "10.1.0." + std::to_string(i)) == 401);
        }
        CHECK(guess("ann", "10.2.0.1") == 401);
        CHECK(guess("ann", "10.2.0.1") == 401);
        CHECK(guess("ann", "10.2.0.1") == 429);
        CHECK(world.log_in("ann", kGood, "10.3.0.1"));
    }
    SECTION("the addresses of one IPv6 network are one") {
        for (int i = 0; i < 8; ++i) {
            (void)guess("ann", "2001:db8::" + std::to_string(i));
        }
        CHECK(guess("ann", "2001:db8::ffff") == 429);
        CHECK(guess("ann", "2001:db8:0:1::1") == 401);
    }
}

TEST_CASE("a known browser shows what only this controller can have given it") {
    const berth::access::Devices devices("a key of this controller");
    std::string cookie = devices.with("", "ann");
    CHECK(devices.find(cookie, "ann"));
    CHECK_FALSE(devices.find(cookie, "eve"));
    CHECK(devices.knows_any(cookie));
    CHECK_FALSE(devices.knows_any(""));
    CHECK_FALSE(berth::access::Devices("another key").knows_any(cookie));
    std::string forged = cookie;
    forged.replace(0, 3, "eve");
    CHECK_FALSE(devices.knows_any(forged));
    // The number stays, others come beside it, and the sixth drives the oldest out.
    const auto number = devices.find(cookie, "ann");
    for (const char* user : {"b", "c", "d", "e"}) {
        cookie = devices.with(cookie, user);
    }
    CHECK(devices.find(cookie, "ann") == number);
    cookie = devices.with(cookie, "ann");
    CHECK(devices.find(cookie, "ann") == number);
    cookie = devices.with(cookie, "f");
    CHECK(devices.find(cookie, "ann") == number);
    CHECK_FALSE(devices.find(cookie, "b"));
    CHECK(cookie.size() < 1024);
}

TEST_CASE("the first admin is made once, with the token") {
    World world;
    CHECK(world.auth->setup_required());
    const auto token = *world.auth->make_setup_token();
    REQUIRE(token);
    const auto set_up =
        [&](const std::string& with, const std::string& user, const std::string& password) {
            return world.auth->set_up(with, {user, password, "10.0.0.1", ""}, world.retry_after);
        };
    CHECK_FALSE(set_up("wrong", "ann", kGood));
    CHECK_FALSE(set_up("", "ann", kGood));
    CHECK_FALSE(set_up(*token, "ann", "short"));
    CHECK_FALSE(set_up(*token, "../ann", kGood));
    const auto opened = set_up(*token, "ann", kGood);
    REQUIRE(opened);
    CHECK(opened->identity.role == Role::Admin);
    CHECK(world.auth->identify(opened->token));
    CHECK_FALSE(world.auth->setup_required());
    CHECK_FALSE(set_up(*token, "bob", kGood));
    CHECK_FALSE(*world.auth->make_setup_token());
}

TEST_CASE("there is always an admin") {
    World world;
    REQUIRE(world.auth->add_user("ann", kGood, Role::Admin));
    CHECK_FALSE(world.auth->add_user("ann", kGood, Role::Admin));
    CHECK_FALSE(world.auth->remove_user("ann"));
    CHECK_FALSE(world.auth->change_user("ann", Role::Operator, std::nullopt));
    CHECK_FALSE(world.auth->change_user("nobody", Role::Operator, std::nullopt));
    REQUIRE(world.auth->add_user("bob", kGood, Role::Admin));
    CHECK(world.auth->remove_user("ann"));
}

TEST_CASE("the audit log grows only, and is read from its end") {
    World world;
    for (int i = 0; i < 5; ++i) {
        REQUIRE(world.store->audit().add(
            {0, world.now.wall, "ann", "local", "stop", std::to_string(i), "done"}));
    }
    const auto newest = world.store->audit().page(0, 2);
    REQUIRE(newest);
    REQUIRE(newest->size() == 2);
    CHECK((*newest)[0].target == "4");
    const auto older = world.store->audit().page(newest->back().id, 10);
    REQUIRE(older->size() == 3);
    CHECK(older->front().target == "2");
}
