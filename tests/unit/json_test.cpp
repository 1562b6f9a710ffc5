#include <limits>
#include <string>

#include <catch2/catch.hpp>

#include "shared/json/json_value.h"
#include "shared/json/json_writer.h"
#include "shared/json/spec_json.h"

using berth::json::JsonLimits;
using berth::json::JsonValue;
using berth::json::JsonWriter;
using berth::json::parse_json;

namespace {

std::string failure(std::string_view text, const JsonLimits& limits = {}) {
    const auto parsed = parse_json(text, limits);
    REQUIRE_FALSE(parsed);
    return parsed.error().message;
}

template <class T>
std::string written(const T& value) {
    return JsonWriter().value(value).take();
}

}  // namespace

TEST_CASE("the writer writes every kind of value") {
    JsonWriter json;
    json.begin_object();
    json.field("text", "a\"b\\c\n\x01\x7f/é");
    json.field("yes", true).field("no", false);
    json.field("low", std::numeric_limits<std::int64_t>::min());
    json.field("high", std::numeric_limits<std::uint64_t>::max());
    json.field("half", 0.5)
        .field("some", std::optional<int>(7))
        .field("none", std::optional<int>());
    json.key("list")
        .begin_array()
        .value(1)
        .value("x")
        .begin_object()
        .end_object()
        .null()
        .end_array();
    json.key("raw").raw("[1,2]");
    json.field("words", std::vector<std::string>{"a", "b"}).key("empty").begin_array().end_array();
    json.end_object();
    CHECK(json.text() ==
          "{\"text\":\"a\\\"b\\\\c\\n\\u0001\\u007f/é\",\"yes\":true,\"no\":false,"
          "\"low\":-9223372036854775808,\"high\":18446744073709551615,\"half\":0.5,\"some\":7,"
          "\"none\":null,"
          "\"list\":[1,\"x\",{},null],\"raw\":[1,2],\"words\":[\"a\",\"b\"],\"empty\":[]}");
    CHECK(parse_json(json.text()));
    CHECK(json.take().size() > 10);
}

TEST_CASE("the writer writes numbers that read back the same, and null for what JSON lacks") {
    for (const double number : {0.1, 1e300, -2.5e-10, 1.0 / 3.0, 123456789012345680.0}) {
        CHECK(parse_json(written(number)).value().as<double>() == number);
    }
    CHECK(written(std::numeric_limits<double>::quiet_NaN()) == "null");
    CHECK(written(-std::numeric_limits<double>::infinity()) == "null");
}

TEST_CASE("the writer repairs text that is not UTF-8") {
    CHECK(written(std::string("a\xFF\xC3")) == "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CHECK(written(std::string("\0x", 2)) == "\"\\u0000x\"");
}

TEST_CASE("parsed values are got by type") {
    const JsonValue json =
        parse_json(
            R"({"s":"x","i":-5,"u":18446744073709551615,"d":1.5,"w":3.0,"b":true,"n":null,"l":[1,2],"o":{}})")
            .value();
    CHECK(json.get<std::string>("s") == "x");
    CHECK(json.get<std::int64_t>("i") == -5);
    CHECK(json.get<std::uint64_t>("u") == std::numeric_limits<std::uint64_t>::max());
    CHECK(json.get<double>("d") == 1.5);
    CHECK(json.get<double>("i") == -5.0);
    CHECK(json.get<std::int64_t>("w") == 3);
    CHECK(json.get<bool>("b") == true);
    CHECK(json.find("l")->items().size() == 2);
    CHECK(json.find("o")->is_object());
    CHECK(json.members().size() == 9);
    CHECK(json.get_optional<std::string>("n").value() == std::nullopt);
    CHECK(json.get_optional<std::string>("gone").value() == std::nullopt);
    CHECK(json.get_optional<std::string>("s").value() == "x");
    CHECK(json.get<std::string>("gone").error().message == "\"gone\" is missing");
    CHECK(json.get<std::string>("i").error().message == "\"i\": is a number, not a string");
    CHECK(json.get<bool>("s").error().message == "\"s\": is a string, not a boolean");
    CHECK(json.get<std::int64_t>("d").error().message ==
          "\"d\": is not a whole number from -2^63 to 2^63 - 1");
    CHECK(json.get<std::int64_t>("u").error().message ==
          "\"u\": is not a whole number from -2^63 to 2^63 - 1");
    CHECK(json.get<std::int64_t>("l").error().message == "\"l\": is a list, not a whole number");
    CHECK(json.get<std::uint64_t>("i").error().message ==
          "\"i\": is negative, not a whole number from 0 up");
    CHECK(json.get_optional<bool>("s").error().message == "\"s\": is a string, not a boolean");
    CHECK(JsonValue().items().empty());
    CHECK(JsonValue().find("x") == nullptr);
}

TEST_CASE("parsed values know where they began") {
    const std::string text = " { \"a\" : [ 1 ,\n \"b\" , { \"c\" : true } ] , \"d\": -2.5e3 }";
    const JsonValue json = parse_json(text).value();
    CHECK(json.offset() == text.find('{'));
    CHECK(json.members()[0].key_offset == text.find("\"a\""));
    const auto& items = json.find("a")->items();
    CHECK(json.find("a")->offset() == text.find('['));
    CHECK(items[0].offset() == text.find('1'));
    CHECK(items[1].offset() == text.find("\"b\""));
    CHECK(items[2].offset() == text.find("{ \"c\""));
    CHECK(items[2].find("c")->offset() == text.find("true"));
    CHECK(json.find("d")->offset() == text.find("-2.5"));
}

TEST_CASE("what is no JSON is refused with its place") {
    CHECK(failure("") == "line 1, column 1: the document is empty");
    CHECK(failure("{\"a\":1,\n \"é\" 2}") ==
          "line 2, column 6: missing a colon after a name of object member");
    CHECK(failure("{\"a\":1,\"a\":2}") == "line 1, column 8: the key \"a\" occurs twice");
    CHECK(failure(std::string("[1]\0", 4)) == "line 1, column 4: a NUL byte");
    CHECK(failure("\"\xFF\"") == "line 1, column 2: not valid UTF-8");
    CHECK(failure("[1,]") == "line 1, column 4: invalid value");
    for (const char* text :
         {"NaN", "[Infinity]", "{'a':1}", "[1] 2", "// x\n1", "01", "1.", "\"\\ud800\"", "tru"}) {
        CHECK_FALSE(failure(text).empty());
    }
}

TEST_CASE("limits of depth, bytes and values hold") {
    const std::string deep = std::string(32, '[') + std::string(32, ']');
    CHECK(parse_json(deep));
    CHECK(failure('[' + deep + ']') == "line 1, column 33: more than 32 levels deep");
    CHECK_FALSE(failure(std::string(500'000, '[')).empty());
    CHECK_FALSE(failure(std::string(500'000, '{')).empty());
    CHECK(parse_json('[' + deep + ']', {.max_depth = 33}));
    CHECK(failure("[1,2,3]", {.max_values = 3}) == "line 1, column 6: more than 3 values");
    CHECK(failure("[1,2,3]", {.max_bytes = 6}) == "line 1, column 1: larger than 6 bytes");
    CHECK(parse_json("[[[1]]]", {.max_depth = 2}).error().code == berth::ErrorCode::TooLarge);
    CHECK(parse_json("[", {}).error().code == berth::ErrorCode::InvalidArgument);
}

TEST_CASE("JSON cut at any byte is refused, with any byte changed it is refused or read") {
    const std::string text = R"({"a":[1,-2.5e3,"xé\n\u00e9",true,null],"b":{"c":{}}})";
    REQUIRE(parse_json(text));
    for (std::size_t i = 0; i < text.size(); ++i) {
        CHECK_FALSE(parse_json(text.substr(0, i)));
        for (int byte = 0; byte < 256; ++byte) {
            std::string changed = text;
            changed[i] = static_cast<char>(byte);
            const auto parsed = parse_json(changed);
            if (!parsed && parsed.error().message.empty()) {
                FAIL("no reason");
            }
        }
    }
}

TEST_CASE("durations are written as descriptors hold them") {
    using namespace std::chrono_literals;
    CHECK(berth::json::duration_text(0s) == "0s");
    CHECK(berth::json::duration_text(500ms) == "500ms");
    CHECK(berth::json::duration_text(90s) == "90s");
    CHECK(berth::json::duration_text(5min) == "5m");
    CHECK(berth::json::duration_text(24h) == "24h");
    CHECK(berth::json::duration_text(1500us) == "1.5ms");
}

TEST_CASE("numbers at the ends of what there is") {
    const auto number = [](const char* text) { return parse_json(text); };
    CHECK(number("0e99")->as<double>() == 0.0);
    CHECK(number("-0.0E+300")->as<double>() == 0.0);
    CHECK(number("1e-400")->as<double>() == 0.0);
    CHECK(number("1.7976931348623157e308")->as<double>() == 1.7976931348623157e308);
    CHECK(number("5e-324")->as<double>() == 5e-324);
    CHECK(number("0.1")->as<double>() == 0.1);
    CHECK(number("18446744073709551615")->as<std::uint64_t>() == 18446744073709551615U);
    CHECK(number("-9223372036854775808")->as<std::int64_t>() ==
          std::numeric_limits<std::int64_t>::min());
    CHECK(number("18446744073709551616.0")->as<double>() == 18446744073709551616.0);
    for (const char* const whole :
         {"18446744073709551616", "-9223372036854775809", "12345678901234567890123"}) {
        CAPTURE(whole);
        const auto refused = number(whole);  // a double would be another number
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.find("more than 64 bits") != std::string::npos);
        CHECK(parse_json(whole, {100, 2, 10, true}));
    }
    for (const char* const text : {"1e400", "-1e400", "0.99e309", "[17976931348623159e292]"}) {
        CAPTURE(text);
        const auto refused = number(text);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.find("number too big") != std::string::npos);
    }
    for (const char* const text : {"01", "1.", ".5", "1e", "+1", "- 1", "0x1", "NaN", "Infinity"}) {
        CAPTURE(text);
        CHECK_FALSE(number(text));
    }
}
