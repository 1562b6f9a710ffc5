#include <catch2/catch.hpp>

#include "agent/relay/box/rate_meter.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/protocol/payload_preview.h"
#include "shared/base/secrets.h"
#include "shared/json/json_value.h"
#include "shared/wire/value.h"

// What is shown of messages: payloads, the trace, rates.

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using wire::Value;

namespace {

std::string shown(const Value& value) {
    return preview_payload(wire::encode(value)).json;
}

TraceEntry entry(std::uint64_t id, const char* from, const char* to) {
    TraceEntry made;
    made.id = id;
    made.from = std::make_shared<const std::string>(from);
    made.to = std::make_shared<const std::string>(to);
    return made;
}

}  // namespace

TEST_CASE("payloads are shown as JSON") {
    CHECK(shown("hello") == R"("hello")");
    CHECK(shown(Value::Map{{"n", -5}, {"list", Value::Array{1, true, Value(), 2.5}}}) ==
          R"({"n":-5,"list":[1,true,null,2.5]})");
    // 40-bit and negative numbers of every width, single floats, bytes, extensions, number keys.
    CHECK(preview_payload(std::string("\xD1\xFF\x00", 3)).json == "-256");
    CHECK(preview_payload(std::string("\xD3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 9)).json == "-2");
    CHECK(preview_payload(std::string("\xCA\x3F\xC0\x00\x00", 5)).json == "1.5");
    CHECK(preview_payload(std::string("\xC4\x03\x00\x01\xFF", 5)).json ==
          R"({"bytes":3,"hex":"0001ff"})");
    CHECK(preview_payload(std::string("\xD4\xFE\x07", 3)).json ==
          R"({"ext":-2,"bytes":1,"hex":"07"})");
    CHECK(preview_payload(std::string("\x81\x05\xA1x", 4)).json == R"({"5":"x"})");
    CHECK(preview_payload(std::string("\x81\x92\x01\x02\xA1x", 6)).json ==
          R"({"{\"bytes\":3,\"hex\":\"920102\"}":"x"})");
}

TEST_CASE("whole numbers that a double would change are shown as text") {
    CHECK(shown(std::uint64_t{9007199254740992}) == "9007199254740992");
    CHECK(shown(std::int64_t{-9007199254740992}) == "-9007199254740992");
    CHECK(shown(std::uint64_t{9007199254740993}) == R"({"int":"9007199254740993"})");
    CHECK(shown(~std::uint64_t{0}) == R"({"int":"18446744073709551615"})");
    CHECK(shown(Value::Array{std::int64_t{-9007199254740993}}) ==
          R"([{"int":"-9007199254740993"}])");
    // A text that is JSON with a secret and a number beyond all bounds is masked as any other.
    CHECK(shown(R"({"password":"hunter2","n":12345678901234567890123})").find("hunter2") ==
          std::string::npos);
}

TEST_CASE("what is no msgpack is shown as bytes") {
    CHECK(preview_payload("\xC1").json == R"({"bytes":1,"hex":"c1"})");
    CHECK(preview_payload("").json == R"({"bytes":0,"hex":""})");
    CHECK(preview_payload("\xA5"
                          "abc")
              .json == R"({"bytes":4,"hex":"a5616263"})");
    CHECK(preview_payload(std::string("\xDD\xFF\xFF\xFF\xFF", 5)).json ==
          R"({"bytes":5,"hex":"ddffffffff"})");
    CHECK(preview_payload("\x01\x02").json == R"({"bytes":2,"hex":"0102"})");  // two values
    // Deeper than the stack should be asked for.
    CHECK(preview_payload(std::string(100'000, '\x91') + '\x01').json.find("hex") !=
          std::string::npos);
}

TEST_CASE("secrets are masked wherever they stand, in full too") {
    const Value value = Value::Map{{"user", "anna"},
                                   {"Password", "hunter2"},
                                   {"deep", Value::Array{Value::Map{{"api_key", "hunter2"}}}},
                                   {"authorization", Value::Map{{"a", "hunter2"}}},
                                   {"body", R"({"accessToken": "hunter2", "n": 1})"}};
    for (const PreviewLimits& limits : {PreviewLimits(), kFullPreview}) {
        const Preview found = preview_payload(wire::encode(value), limits);
        CHECK(found.json.find("hunter2") == std::string::npos);
        CHECK(found.json.find("anna") != std::string::npos);
        CHECK(found.json.find(R"("Password":"********")") != std::string::npos);
        CHECK(found.json.find(R"(\"n\":1)") != std::string::npos);
        CHECK(found.whole);
    }
    for (const char* const key :
         {"key", "KEY", "privateKey", "x-auth", "set_cookie", "dbPassword1"}) {
        CAPTURE(key);
        CHECK(looks_secret(key));
    }
    for (const char* const key : {"", "monkey", "keyboard", "author", "passenger", "spin"}) {
        CAPTURE(key);
        CHECK_FALSE(looks_secret(key));
    }
}

TEST_CASE("what is shown is bounded, and says so") {
    Value::Array many;
    for (int i = 0; i < 10'000; ++i) {
        many.emplace_back(std::string(100, 'x'));
    }
    Value deep = 1;
    for (int i = 0; i < 14; ++i) {
        deep = Value::Array{deep};
    }
    const std::string text(5000, 'x');
    for (const Value& value : {Value(many), deep, Value(text), Value(Value::Map{{text, text}})}) {
        const Preview found = preview_payload(wire::encode(value));
        CHECK_FALSE(found.whole);
        CHECK(found.json.size() < 6000);
        CHECK(json::parse_json(found.json));
    }
    CHECK(preview_payload(wire::encode(many), kFullPreview).json.size() < (1U << 20U) + 1000);
    // Characters are not cut.
    std::string umlauts;
    for (int i = 0; i < 600; ++i) {
        umlauts += "ü";
    }
    CHECK(shown("a" + umlauts).find("\xEF\xBF\xBD") == std::string::npos);
}

TEST_CASE("the trace keeps the last messages and finds them by id") {
    Trace trace;
    const WallTime start{std::chrono::hours(1)};
    for (std::uint64_t id = 1; id <= 3000; ++id) {
        trace.begin(entry(id, id % 2 == 0 ? "a" : "b", "c"));
    }
    CHECK(trace.since(0, "", 10'000).size() == Trace::kEntries);
    CHECK(trace.since(0, "", 5).front().id == 2996);
    CHECK(trace.since(0, "a", 10'000).size() == Trace::kEntries / 2);
    CHECK(trace.since(0, "c", 3).back().id == 3000);
    const std::uint64_t before = trace.changes();
    trace.stored(3000, start);
    trace.given(3000, start + std::chrono::milliseconds(1));
    trace.given(3000, start + std::chrono::milliseconds(2));
    trace.ended(3000, TraceOutcome::Acknowledged, start + std::chrono::milliseconds(3));
    trace.ended(1, TraceOutcome::Removed, start);  // long overwritten
    const auto changed = trace.since(before, "", 100);
    REQUIRE(changed.size() == 1);
    CHECK(changed[0].attempts == 2);
    CHECK(changed[0].given == start + std::chrono::milliseconds(1));
    CHECK(changed[0].outcome == TraceOutcome::Acknowledged);
    CHECK(trace.changes() == before + 4);
}

TEST_CASE("a rate is the mean of the ten seconds before") {
    RateMeter meter;
    const MonoTime start{std::chrono::hours(1)};
    meter.add(start, 50);
    CHECK(meter.per_second(start) == 0);  // this second is not over
    CHECK(meter.per_second(start + std::chrono::seconds(1)) == 5);
    meter.add(start + std::chrono::seconds(1), 10);
    CHECK(meter.per_second(start + std::chrono::seconds(10)) == 6);
    CHECK(meter.per_second(start + std::chrono::seconds(11)) == 1);
    CHECK(meter.per_second(start + std::chrono::seconds(12)) == 0);
    meter.add(start + std::chrono::hours(1), 1);  // old places are used again
    CHECK(meter.per_second(start + std::chrono::hours(1) + std::chrono::seconds(1)) == 0.1);
}
