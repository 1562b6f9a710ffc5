#include <random>

#include <catch2/catch.hpp>

#include "agent/relay/protocol/requests.h"
#include "shared/wire/append.h"
#include "shared/wire/value.h"

using namespace berth;         // NOLINT(google-build-using-namespace): tests read better
using namespace berth::relay;  // NOLINT(google-build-using-namespace)
using wire::Value;

namespace {

std::string header(const std::string& verb, const Value& args, std::uint64_t id = 7) {
    return wire::encode(Value::Array{1, id, verb, args});
}

}  // namespace

TEST_CASE("every verb and argument is read") {
    for (const std::string_view name : kVerbNames.names) {
        RequestHeader request;
        REQUIRE(read_request(header(std::string(name), Value::Map{}), request));
        CHECK(kVerbNames.name(request.verb) == name);
    }
    const std::string frame = header("notify",
                                     Value::Map{{"app", "a"},
                                                {"secret", "s"},
                                                {"to", "t"},
                                                {"type", "ty"},
                                                {"dedupe", std::uint64_t{70'000}},
                                                {"subscribe", true},
                                                {"durable", false},
                                                {"auto_ack", true},
                                                {"ttl_ms", std::uint64_t{1}},
                                                {"max", std::uint64_t{300}},
                                                {"wait_ms", std::uint64_t{1} << 40U},
                                                {"timeout_ms", Value()},
                                                {"correlation", std::uint64_t{5}},
                                                {"newer", Value::Array{Value::Map{{"x", 1.5}}}},
                                                {"ids", Value::Array{1, 500, 70'000}}});
    RequestHeader request;
    REQUIRE(read_request(frame, request));
    const Args& args = request.args;
    CHECK(request.id == 7);
    CHECK((args.app == "a" && args.secret == "s" && args.to == "t" && args.type == "ty"));
    CHECK(args.dedupe == wire::encode(std::uint64_t{70'000}));
    CHECK((args.subscribe == true && args.durable == false && args.auto_ack == true));
    CHECK((args.ttl_ms == 1 && args.max == 300 && args.wait_ms == std::uint64_t{1} << 40U));
    CHECK((!args.timeout_ms && args.correlation == 5));
    std::vector<std::uint64_t> ids;
    args.ids.for_each([&ids](std::uint64_t id) { ids.push_back(id); });
    CHECK(ids == std::vector<std::uint64_t>{1, 500, 70'000});
}

TEST_CASE("a bad header says what is bad, and for which request") {
    const auto problem = [](const std::string& frame, std::uint64_t id) {
        RequestHeader request;
        const auto read = read_request(frame, request);
        REQUIRE_FALSE(read);
        CHECK(request.id == id);
        return read.error();
    };
    CHECK(problem(header("nonsense", Value::Map{}), 7).code == ErrorCode::NotFound);
    CHECK(problem(header("notify", Value::Map{{"to", 5}}), 7).message ==
          "the argument \"to\" has a wrong type");
    CHECK(problem(header("ping", Value::Map{}, 0), 0).code == ErrorCode::InvalidArgument);
    CHECK(problem(wire::encode(Value::Array{2, 7, "ping", Value::Map{}}), 7).message ==
          "this relay speaks version 1 of the protocol, not 2");
    CHECK(problem(header("ping", Value::Map{}) + "x", 7).message ==
          "bytes behind the header's end");
    CHECK(problem("", 0).code == ErrorCode::InvalidArgument);
    std::string twice = "\x94\x01\x07\xA4ping\x82";
    for (int i = 0; i < 2; ++i) {
        wire::append_text(twice, "max");
        wire::append_whole(twice, 1);
    }
    CHECK(problem(twice, 7).message == "the argument \"max\" is given twice");
}

TEST_CASE("what the relay writes is what others read") {
    std::string push;
    append_message_header(push, {5, "me", 1'795'630'085'570, 2, 9});
    CHECK(*wire::decode(push) ==
          Value(Value::Array{std::uint64_t{1},
                             std::uint64_t{0},
                             "message",
                             Value::Map{{"id", std::uint64_t{5}},
                                        {"from", "me"},
                                        {"time_ms", std::uint64_t{1'795'630'085'570}},
                                        {"attempt", std::uint64_t{2}},
                                        {"correlation", std::uint64_t{9}}}}));
    const auto error = wire::decode(error_header(8, Code::Full, std::string(300, 'x')));
    REQUIRE(error);
    CHECK(error->at(1).as_uint() == 8);
    CHECK(error->at(2).as_uint() == 429);
    CHECK((*error).at(3)["error"].as_string() == std::string(300, 'x'));
}

TEST_CASE("append writes what decode reads, at every size") {
    for (unsigned shift = 0; shift < 64; ++shift) {
        for (const std::uint64_t value :
             {std::uint64_t{1} << shift, (std::uint64_t{1} << shift) - 1}) {
            std::string out;
            wire::append_whole(out, value);
            CHECK(wire::decode(out)->as_uint() == value);
            CHECK(out == wire::encode(value));
        }
    }
    for (const std::size_t size : {0U, 31U, 32U, 255U, 256U, 65'535U, 65'536U}) {
        std::string out;
        wire::append_text(out, std::string(size, 'x'));
        CHECK(out == wire::encode(std::string(size, 'x')));
    }
    for (const std::uint32_t count : {0U, 15U, 16U, 65'535U, 65'536U}) {
        std::string array;
        wire::append_array(array, count);
        CHECK(*wire::decode(array + std::string(count, '\xC0')) ==
              Value(Value::Array(count, Value())));
    }
}

TEST_CASE("no bytes make the header's reader misbehave") {
    const auto seed = GENERATE(range(0U, 2000U));
    std::mt19937 random(seed);  // NOLINT(cert-msc51-cpp): the same in every run
    INFO("seed " << seed);
    std::string frame = header(
        "notify",
        Value::Map{{"to", "x"}, {"ids", Value::Array{1, 2, 3}}, {"z", Value::Map{{"q", 1}}}});
    for (unsigned i = 0; i < 1 + seed % 6; ++i) {
        frame[random() % frame.size()] = static_cast<char>(random());
    }
    frame.resize(seed % 3 == 0 ? random() % frame.size() : frame.size());
    RequestHeader request;
    if (read_request(frame, request)) {
        CHECK(request.id > 0);
        std::size_t count = 0;
        request.args.ids.for_each([&count](std::uint64_t) { ++count; });
        CHECK(count <= frame.size());
    }
}
