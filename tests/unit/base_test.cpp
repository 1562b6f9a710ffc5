#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/base/key_text.h"
#include "shared/base/position.h"
#include "shared/base/secrets.h"
#include "shared/base/text.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"
#include "shared/time/backoff.h"

using Words = std::vector<std::string>;

TEST_CASE("words are split as a shell would") {
    struct Row {
        std::string text;
        Words words;
    };

    const std::vector<Row> rows = {
        {"", {}},
        {"  \t\n ", {}},
        {"a b  c", {"a", "b", "c"}},
        {"'a b' \"c d\"", {"a b", "c d"}},
        {"a'b'\"c\"d", {"abcd"}},
        {"'' \"\"", {"", ""}},
        {"a\\ b \\' \\\\", {"a b", "'", "\\"}},
        {"\"\\\"\\$\\\\\\a\"", {"\"$\\\\a"}},
        {"'\\n $x'", {"\\n $x"}},
        {"é 'ü'", {"é", "ü"}},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        CHECK(berth::split_words(row.text).value() == row.words);
        CHECK(berth::split_words(berth::join_words(row.words)).value() == row.words);
    }
    CHECK(berth::split_words("a 'b").error().message == "the quote at character 3 is not closed");
    CHECK(berth::split_words("\"a\\").error().message == "the quote at character 1 is not closed");
    CHECK(berth::split_words("a\\").error().message == "a backslash at the end escapes nothing");
    CHECK(berth::join_words({"a", "b c", "", "it's", "x=1"}) == "a 'b c' '' 'it'\\''s' x=1");
}

TEST_CASE("bytes become valid UTF-8") {
    struct Row {
        std::string bytes;
        std::string text;
        std::size_t valid;
    };

    const std::string bad = "\xEF\xBF\xBD";
    const std::vector<Row> rows = {
        {"", "", 0},
        {"aé€😀", "aé€😀", 10},
        {"a\xFF"
         "b",
         "a" + bad + "b",
         1},
        {"\xC3", bad, 0},
        {"\xC0\xAF", bad + bad, 0},                      // overlong
        {"\xED\xA0\x80", bad + bad + bad, 0},            // surrogate
        {"\xF4\x90\x80\x80", bad + bad + bad + bad, 0},  // above U+10FFFF
        {"ok\xE2\x82", "ok" + bad + bad, 2},
    };
    for (const Row& row : rows) {
        CHECK(berth::to_utf8(row.bytes) == row.text);
        CHECK(berth::valid_utf8_prefix(row.bytes) == row.valid);
        const std::string repaired = berth::to_utf8(row.bytes);
        CHECK(berth::valid_utf8_prefix(repaired) == repaired.size());
    }
}

TEST_CASE("text helpers") {
    CHECK(berth::split("a,,b", ',') == std::vector<std::string_view>{"a", "", "b"});
    CHECK(berth::split("", ',').size() == 1);
    CHECK(berth::trim(" \t a b\r\n") == "a b");
    CHECK(berth::trim("  ").empty());
    CHECK(berth::printable("a\n\t\x1b\x7f\xFFé") == "a\\n\\t\\x1b\\x7f\xEF\xBF\xBDé");
    CHECK(berth::to_hex(std::string("\x00\xff\x0a", 3)) == "00ff0a");
    for (const char* id : {"a",
                           "9",
                           "a.b_c-D",
                           "0123456789012345678901234567890123456789012345678901234567890123"}) {
        CHECK(berth::is_valid_id(id));
    }
    for (const char* id : {"",
                           ".",
                           "-a",
                           "_a",
                           "a b",
                           "../x",
                           "x$(touch P)",
                           "q'q",
                           "é",
                           "a/b",
                           "01234567890123456789012345678901234567890123456789012345678901234"}) {
        CHECK_FALSE(berth::is_valid_id(id));
    }
    CHECK(berth::nearest("comand", {"command", "comment"}) == "command");
    CHECK(berth::nearest("zzzz", {"command", "comment"}).empty());
}

TEST_CASE("offsets become lines and columns of characters") {
    berth::PositionFinder finder("aé\nb");
    CHECK(berth::to_string(finder.at(0)) == "1:1");
    CHECK(berth::to_string(finder.at(3)) == "1:3");
    CHECK(berth::to_string(finder.at(4)) == "2:1");
    CHECK(berth::to_string(finder.at(99)) == "2:2");
    CHECK(berth::to_string(finder.at(1)) == "1:2");
}

TEST_CASE("the wait grows by the factor up to its limit") {
    using namespace std::chrono_literals;
    const berth::BackoffPolicy policy{1s, 2.0, 60s, 0.0};
    CHECK(berth::backoff_delay(policy, 0, 0.5) == 1s);
    CHECK(berth::backoff_delay(policy, 1, 0.5) == 2s);
    CHECK(berth::backoff_delay(policy, 5, 0.5) == 32s);
    CHECK(berth::backoff_delay(policy, 6, 0.5) == 60s);
    CHECK(berth::backoff_delay(policy, 4'000'000'000U, 0.5) == 60s);
}

TEST_CASE("jitter moves the wait by its part of it, never above the limit or below nothing") {
    using namespace std::chrono_literals;
    const berth::BackoffPolicy policy{10s, 1.0, 10500ms, 0.1};
    CHECK(berth::backoff_delay(policy, 3, 0.0) == 9s);
    CHECK(berth::backoff_delay(policy, 3, 0.5) == 10s);
    CHECK(berth::backoff_delay(policy, 3, 0.999) == 10500ms);
    CHECK(berth::backoff_delay({10s, 1.0, 20s, 1.0}, 0, 0.0) == 0s);
}

namespace {

template <class E, std::size_t N>
void check_round_trip(const berth::EnumNames<E, N>& names) {
    for (std::size_t i = 0; i < N; ++i) {
        const E value = static_cast<E>(i);
        CHECK_FALSE(names.name(value).empty());
        CHECK(names.value(names.name(value)) == value);
    }
    CHECK(names.value("no such name") == std::nullopt);
}

}  // namespace

TEST_CASE("every name of an enum stands for its value") {
    check_round_trip(berth::kAppKindNames);
    check_round_trip(berth::kDescriptorKindNames);
    check_round_trip(berth::kRestartPolicyNames);
    check_round_trip(berth::kBackendTypeNames);
    check_round_trip(berth::kScheduleOverlapNames);
    check_round_trip(berth::kConfigTypeNames);
    check_round_trip(berth::kAppStateNames);
    check_round_trip(berth::kDesiredNames);
    CHECK(berth::kAppStateNames.name(berth::AppState::Failed) == "failed");
    CHECK(berth::kRestartPolicyNames.name(berth::RestartPolicy::OnFailure) == "on-failure");
    CHECK(berth::kConfigTypeNames.name(berth::ConfigType::Secret) == "secret");
}

TEST_CASE("signals have names") {
    for (int signal = 1; signal <= 31; ++signal) {
        CHECK(berth::signal_number(berth::signal_name(signal)) == signal);
    }
    CHECK(berth::signal_number("TERM") == 15);
    CHECK(berth::signal_number("64") == 64);
    for (const char* name : {"", "SIG", "0", "65", "-1", "9x", "sigterm"}) {
        CHECK(berth::signal_number(name) == std::nullopt);
    }
    CHECK(berth::describe({berth::ExitKind::Signal, 11, true}) ==
          "killed by SIGSEGV (core dumped)");
    CHECK(berth::spmi_exit_code(berth::ExitStatus{berth::ExitKind::Signal, 2, false}) == -2);
}

TEST_CASE("what looks like a secret is masked, and nothing else") {
    using berth::without_secrets;

    struct Row {
        const char* text;
        const char* shown;
    };

    const Row rows[] = {
        {"", ""},
        {"serve --port 80 /srv/keyboard", "serve --port 80 /srv/keyboard"},
        {"the monkey: eats", "the monkey: eats"},
        {"serve --password hunter2 -v", "serve --password •••• -v"},
        {"serve --password=hunter2 -v", "serve --password=•••• -v"},
        {"serve --api-key 'a b' -v", "serve --api-key '••••' -v"},
        {"serve --token --verbose", "serve --token --verbose"},
        {"DB_PASS=hunter2 serve", "DB_PASS=•••• serve"},
        {"AWS_SECRET_ACCESS_KEY=\"a b\" x", "AWS_SECRET_ACCESS_KEY=\"••••\" x"},
        {R"({"apiKey": "hunter2", "n": 1})", R"({"apiKey": "••••", "n": 1})"},
        {"Authorization: Bearer abc.def", "Authorization: Bearer ••••"},
        {"postgres://ann:hunter2@db/x?a=1", "postgres://ann:••••@db/x?a=1"},
        {"redis://:hunter2@cache:6379", "redis://:••••@cache:6379"},
        {"ssh://git@host/x http://a:80/b@c", "ssh://git@host/x http://a:80/b@c"},
        {"https://0123456789abcdef0123@sentry.example/1", "https://••••@sentry.example/1"},
        {"x ghp_0123456789abcdef0123456789 y", "x •••• y"},
        {"k=-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- z", "k=•••• z"},
        {"curl -u ann:hunter2 --user  bob:hunter2 -u eve http://a:80",
         "curl -u ann:•••• --user  bob:•••• -u eve http://a:80"},
        {"Server=a;Password=hunter2;Port=1", "Server=a;Password=••••;Port=1"},
        {"GITHUB_PAT=hunter2 PATH=/bin", "GITHUB_PAT=•••• PATH=/bin"},
        {"no command \"/opt/x --secret=hunter2\"", "no command \"/opt/x --secret=••••\""},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(without_secrets(row.text) == row.shown);
        CHECK(without_secrets(row.shown) == row.shown);  // once is for good
    }
    CHECK(without_secrets(Words{"serve", "--token", "hunter2", "--key=hunter2", "--token", "-v"}) ==
          Words{"serve", "--token", "••••", "--key=••••", "--token", "-v"});
    CHECK(without_secrets(Words{"curl", "-u", "ann:hunter2", "-u", "eve", "http://a:80"}) ==
          Words{"curl", "-u", "ann:••••", "-u", "eve", "http://a:80"});
    CHECK(berth::shown_value("DB_PASSWORD", "hunter2") == "••••");
    CHECK(berth::shown_value("DB_PASSWORD", "").empty());
    CHECK(berth::shown_value("DATABASE_URL", "mysql://u:p@h/d") == "mysql://u:••••@h/d");
    CHECK(berth::shown_value("PORT", "8080") == "8080");
    CHECK(berth::shown_value("PWD", "/srv") == "/srv");
}

TEST_CASE("a time that was written is read, and nothing else") {
    using berth::parse_rfc3339_utc;
    using berth::WallTime;
    const WallTime time =
        WallTime(std::chrono::seconds(1'700'000'000)) + berth::Duration(123'456'789);
    CHECK(parse_rfc3339_utc(berth::rfc3339_utc(time)) == time);
    CHECK(parse_rfc3339_utc("2023-11-14T22:13:20Z") ==
          WallTime(std::chrono::seconds(1'700'000'000)));
    CHECK(parse_rfc3339_utc("2023-11-14T22:13:20.5Z") ==
          WallTime(std::chrono::seconds(1'700'000'000)) + std::chrono::milliseconds(500));
    for (const char* const text : {"",
                                   "Z",
                                   "2023-11-14",
                                   "2023-11-14T22:13:20",
                                   "2023-11-14T22:13:20.Z",
                                   "2023-11-14T22:13:20.1234567890Z",
                                   "2023-11-14T22:13:20,5Z",
                                   "2023-13-14T22:13:20Z",
                                   "2023-11-00T22:13:20Z",
                                   "2023-11-14T24:13:20Z",
                                   "2023-11-14 22:13:20Z",
                                   "2023-11-14T22:-3:20Z",
                                   "2023-11-14T22:13:2xZ"}) {
        INFO(text);
        CHECK_FALSE(parse_rfc3339_utc(text));
    }
}

TEST_CASE("keys are shown in hexadecimal digits and read in both forms") {
    // The example of RFC 32 is eight bytes long; four of it are a key.
    const std::string z85 = "HelloWorldHelloWorldHelloWorldHelloWorld";
    std::string hex;
    for (int i = 0; i < 4; ++i) {
        hex += "864fd26fb559f75b";
    }
    CHECK(berth::shown_key(z85) == hex);
    CHECK(berth::parse_key(hex) == z85);
    CHECK(berth::parse_key(" " + z85 + "\n") == z85);
    CHECK(berth::is_key(z85));
    CHECK_FALSE(berth::is_key(z85.substr(1)));
    CHECK_FALSE(berth::parse_key(hex.substr(2)));
    CHECK_FALSE(berth::parse_key("g" + hex.substr(1)));
    CHECK_FALSE(berth::parse_key(""));
    CHECK(berth::shown_key("no key") == "no key");
    // More than four bytes hold.
    const std::string large(40, '#');
    CHECK(berth::shown_key(large) == large);
}
