#include <sys/resource.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/wire/cursor.h"
#include "shared/wire/value.h"

using namespace std::string_literals;
using namespace std::string_view_literals;
using berth::ErrorCode;
using berth::wire::Cursor;
using berth::wire::decode;
using berth::wire::encode;
using berth::wire::Limits;
using berth::wire::Value;

namespace {

Value sample() {
    return Value::Map{
        {"nil", Value()},
        {"yes", true},
        {"no", false},
        {"small", std::uint64_t{7}},
        {"big", std::numeric_limits<std::uint64_t>::max()},
        {"negative", std::int64_t{-1}},
        {"least", std::numeric_limits<std::int64_t>::min()},
        {"real", 0.1},
        {"text", "grüße"},
        {"bytes", "\0\xFF\n"s},
        {"long", std::string(70'000, 'x')},
        {"array", Value::Array{std::uint64_t{1}, "two", Value::Array{}, Value::Map{}}},
        {"map", Value::Map{{"inner", Value::Map{{"", std::uint64_t{1}}}}}},
    };
}

// The most memory that this process has had mapped, in KiB. Sanitizers map what they like.
long peak_virtual_kib() {
#ifdef BERTH_SANITIZED
    return 0;
#endif
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word) {
        if (word == "VmPeak:") {
            long kib = 0;
            status >> kib;
            return kib;
        }
    }
    return 0;
}

std::string header32(unsigned char type, std::uint32_t count) {
    std::string bytes(1, static_cast<char>(type));
    for (int shift = 24; shift >= 0; shift -= 8) {
        bytes += static_cast<char>(count >> static_cast<unsigned>(shift));
    }
    return bytes;
}

std::string repeat(const std::string& part, int times) {
    std::string whole;
    for (int i = 0; i < times; ++i) {
        whole += part;
    }
    return whole;
}

}  // namespace

TEST_CASE("values survive the wire") {
    CHECK(decode(encode(sample())).value() == sample());
    for (const Value& value : {Value(),
                               Value(true),
                               Value(std::uint64_t{0}),
                               Value(std::int64_t{-33}),
                               Value(1.5),
                               Value(""),
                               Value("x"),
                               Value(Value::Array{}),
                               Value(Value::Map{})}) {
        CHECK(decode(encode(value)).value() == value);
    }
}

TEST_CASE("asking for what is not there gives the fallback") {
    const Value value = sample();
    CHECK(value["missing"].is_nil());
    CHECK(value["text"].as_int(5) == 5);
    CHECK(value["yes"].as_uint(5) == 5);
    CHECK(value["negative"].as_uint(5) == 5);
    CHECK(value["big"].as_int(5) == 5);
    CHECK(value["small"].as_int() == 7);
    CHECK(value["small"].as_double() == 7.0);
    CHECK(value["nil"].as_string().empty());
    CHECK(value["text"]["x"].is_nil());
    CHECK(value["array"].at(99).is_nil());
    CHECK(value["array"].as_strings() == std::vector<std::string>{"two"});
    CHECK_FALSE(value["negative"].is_unsigned());
    CHECK(Value(5).is_unsigned());
}

TEST_CASE("hostile frames are refused before anything is allocated for them") {
    struct Row {
        const char* what;
        std::string bytes;
        const char* error;
    };

    const std::vector<Row> rows = {
        {"array32 of 2^28", "\xdd\x10\x00\x00\x00"s, "more elements than bytes"},
        {"map32 of 2^28", "\xdf\x10\x00\x00\x00"s, "more elements than bytes"},
        {"array32 of 2^32 - 1", "\xdd\xff\xff\xff\xff"s, "more elements than bytes"},
        {"map32 of 2^31", "\xdf\x80\x00\x00\x00"s, "more elements than bytes"},
        {"24 nested array32", repeat(header32(0xDD, 0x1000'0000), 24), "more elements than bytes"},
        {"24 honest nested array32", repeat(header32(0xDD, 1), 24) + "\xc0", "nested deeper"},
        {"a million nested arrays", std::string(1'000'000, '\x91'), "nested deeper"},
        {"31 nested array16", repeat("\xdc\xff\xff"s, 31), "more elements than bytes"},
        {"the same key twice", "\x82\xa1\x61\x01\xa1\x61\x02"s, "same key twice"},
        {"the same key twice, deep", "\x91\x82\xa1\x61\x01\xa1\x61\x02"s, "same key twice"},
        {"a number as a key", "\x81\x01\x02"s, "no string"},
        {"an array as a key", "\x81\x90\x02"s, "no string"},
        {"fixext1", "\xd4\x01\x00"s, "not used here"},
        {"ext8", "\xc7\x01\x01\x00"s, "not used here"},
        {"ext32", "\xc9\xff\xff\xff\xff\x01"s, "not used here"},
        {"a timestamp", "\xd6\xff\x00\x00\x00\x00"s, "not used here"},
        {"the type that is never used", "\xc1"s, "not used here"},
        {"a byte behind its end", "\xc0\xc0"s, "behind its end"},
        {"nothing", ""s, "cut short"},
        {"str32 of 4 GiB", "\xdb\xff\xff\xff\xff"s, "cut short"},
        {"bin32 of 4 GiB", "\xc6\xff\xff\xff\xff"s, "cut short"},
    };
    const long before = peak_virtual_kib();
    for (const Row& row : rows) {
        INFO(row.what);
        const auto value = decode(row.bytes);
        REQUIRE_FALSE(value);
        CHECK(value.error().code == ErrorCode::InvalidArgument);
        CHECK(value.error().message.find(row.error) != std::string::npos);
    }
    CHECK(peak_virtual_kib() - before < 32 * 1024);
}

TEST_CASE("limits of bytes, elements and depth hold") {
    const std::string four = encode(Value::Array{Value(), Value(), Value(), Value()});
    CHECK(decode(four, {5, 4, 1}));
    CHECK(decode(four, {4, 4, 1}).error().code == ErrorCode::TooLarge);
    CHECK(decode(four, {5, 3, 1}).error().message.find("more than 3") != std::string::npos);
    CHECK(decode(encode(Value::Array{Value::Array{}}), {9, 9, 2}));
    CHECK_FALSE(decode(encode(Value::Array{Value::Array{}}), {9, 9, 1}));
}

TEST_CASE("a frame that is cut anywhere is refused") {
    Value::Map short_map = sample().as_map();
    std::erase_if(short_map, [](const auto& member) { return member.first == "long"; });
    const std::string whole = encode(short_map);
    REQUIRE(decode(whole));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        INFO(length);
        CHECK_FALSE(decode(whole.substr(0, length)));
    }
}

TEST_CASE("50,000 mutated frames neither crash nor bloat") {
    Value::Map map = sample().as_map();
    std::erase_if(map, [](const auto& member) { return member.first == "long"; });
    const std::string whole = encode(map);
    std::mt19937 engine(20'261'124);
    const auto roll = [&engine](std::size_t sides) { return engine() % sides; };
    const long before = peak_virtual_kib();
    int accepted = 0;
    for (int i = 0; i < 50'000; ++i) {
        std::string bytes = whole;
        for (std::size_t n = roll(4) + 1; n > 0 && bytes.size() > 1; --n) {
            switch (roll(4)) {
                case 0:
                    bytes[roll(bytes.size())] = static_cast<char>(roll(256));
                    break;
                case 1:
                    bytes.erase(roll(bytes.size() - 1), roll(4));
                    break;
                case 2:
                    bytes.insert(roll(bytes.size()),
                                 header32(static_cast<unsigned char>(0xDB + roll(5)),
                                          static_cast<std::uint32_t>(engine())));
                    break;
                default:
                    bytes.resize(roll(bytes.size()) + 1);
            }
        }
        const auto value = decode(bytes);
        if (value) {
            ++accepted;
            if (!decode(encode(*value))) {  // what is accepted can be said again
                FAIL("mutation " << i << " was accepted but its encoding is not");
            }
        }
    }
    CHECK(accepted > 0);
    CHECK(accepted < 50'000);
    CHECK(peak_virtual_kib() - before < 64 * 1024);
}

TEST_CASE("a cursor gives each value as what it is") {
    using Kind = Cursor::Kind;
    const auto item = [](std::string_view bytes) { return Cursor(bytes).item(); };
    CHECK(item("\xC0"sv)->kind == Kind::Nil);
    CHECK(item("\xC3"sv)->number == 1);
    CHECK(item("\x7F"sv)->number == 127);
    CHECK(item("\xD1\x01\x00"sv)->number == 256);  // signed, and not negative
    CHECK(item("\xE0"sv)->negative == -32);
    CHECK(item("\xFF"sv)->negative == -1);
    CHECK(item("\xD0\x80"sv)->negative == -128);
    CHECK(item("\xD3\x80\0\0\0\0\0\0\0"sv)->negative == std::numeric_limits<std::int64_t>::min());
    CHECK(item("\xCA\x3F\xC0\0\0"sv)->real == 1.5);
    CHECK(item("\xCB\xBF\xF8\0\0\0\0\0\0"sv)->real == -1.5);
    CHECK(item("\xA2hi"sv)->bytes == "hi");
    CHECK(item("\xD9\x02hi"sv)->kind == Kind::Text);
    CHECK(item("\xC4\x02hi"sv)->kind == Kind::Binary);
    CHECK(item("\xC7\x02\xFFhi"sv)->extension == -1);
    CHECK(item("\xC7\x02\xFFhi"sv)->bytes == "hi");
    CHECK(item("\xD5\x05hi"sv)->bytes == "hi");
    CHECK(item("\x82\1\1\1\1"sv)->number == 2);
    CHECK(item("\x92\1\1"sv)->kind == Kind::Array);
    for (const std::string_view cut : {""sv,
                                       "\xC1"sv,
                                       "\xCA\1\1\1"sv,
                                       "\xA2h"sv,
                                       "\xC7\x02\xFFh"sv,
                                       "\xD5\x05h"sv,
                                       "\x82\1\1\1"sv,
                                       "\x92\1"sv,
                                       "\xDD\xFF\xFF\xFF\xFF"sv}) {
        Cursor cursor(cut);
        CHECK_FALSE(cursor.item());
        CHECK_FALSE(cursor.ok());
    }
    Cursor list("\x92\xC0\xC4\x01x"sv);
    CHECK(list.item()->number == 2);
    CHECK(list.item()->kind == Kind::Nil);
    CHECK(list.item()->bytes == "x");
    CHECK(list.at_end());
    CHECK(Cursor("\xC7\x02\xFFhi\x01"sv).any() == "\xC7\x02\xFFhi"sv);
}
