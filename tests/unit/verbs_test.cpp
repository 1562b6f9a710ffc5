#include "shared/command/verbs.h"

#include <string>

#include <catch2/catch.hpp>

#include "shared/wire/requests.h"

using namespace berth;
using command::Right;
using command::Role;
using wire::Value;

TEST_CASE("each role has the rights of those before it, and some more") {
    for (const Right right : {Right::See, Right::ReadLogs}) {
        CHECK(command::allows(Role::Viewer, right));
    }
    for (const Right right : {Right::Operate, Right::Input}) {
        CHECK_FALSE(command::allows(Role::Viewer, right));
        CHECK(command::allows(Role::Operator, right));
    }
    for (const Right right : {Right::Configure, Right::Install, Right::Administer}) {
        CHECK_FALSE(command::allows(Role::Operator, right));
        CHECK(command::allows(Role::Admin, right));
    }
}

TEST_CASE("what a viewer may ask changes nothing") {
    for (const command::VerbRow& row : command::kVerbs) {
        CAPTURE(row.name);
        CHECK(command::find_verb(row.name) == &row);
        CHECK((row.audit == command::Audit::No || !command::allows(Role::Viewer, row.right)));
        CHECK((row.from == command::From::Anywhere || row.right == Right::Administer));
        CHECK((row.member.empty() || !command::allows(Role::Viewer, row.member_right)));
    }
    CHECK(command::find_verb("") == nullptr);
    CHECK(command::find_verb("List") == nullptr);
}

TEST_CASE("a request is read as it was written") {
    wire::LogsRequest asked;
    asked.id = "web";
    Value::Array place;
    place.emplace_back(1);
    place.emplace_back(2);
    asked.position = place;
    asked.tail = 7;
    asked.until_ns = -5;
    asked.whole = true;
    const auto read = wire::from_map<wire::LogsRequest>(wire::to_map(asked));
    REQUIRE(read);
    CHECK(read->id == "web");
    CHECK(read->position.at(1).as_int() == 2);
    CHECK(read->tail == 7U);
    CHECK_FALSE(read->since_ns);
    CHECK(read->until_ns == -5);
    CHECK(read->max_lines == 1000);
    CHECK(read->whole);
    CHECK_FALSE(read->rest);

    wire::ActRequest act;
    act.patterns = {"a", "b"};
    act.wait = false;
    const auto again = wire::from_map<wire::ActRequest>(wire::to_map(act));
    REQUIRE(again);
    CHECK(again->patterns == act.patterns);
    CHECK_FALSE(again->wait);
    CHECK_FALSE(again->timeout_ms);
}

TEST_CASE("a member of a request that is of another type is refused by its name") {
    const auto problem = [](const std::string& name, const Value& value) {
        Value::Map args;
        args.emplace_back(name, value);
        const auto read = wire::from_map<wire::ActRequest>(args);
        return read ? std::string() : read.error().message;
    };
    CHECK(problem("verb", 1) == "\"verb\" must be a text");
    CHECK(problem("patterns", "a") == "\"patterns\" must be a list of texts");
    Value::Array numbers;
    numbers.emplace_back(1);
    CHECK(problem("patterns", numbers) == "\"patterns\" must be a list of texts");
    CHECK(problem("wait", 1) == "\"wait\" must be true or false");
    CHECK(problem("timeout_ms", "1") == "\"timeout_ms\" must be a whole number");
    CHECK(problem("since_ns", 1.5) == "\"since_ns\" must be a whole number");
    // Nil is as if it were not there, and what nobody knows here is for newer ones.
    CHECK(problem("wait", Value()).empty());
    CHECK(problem("from tomorrow", 1).empty());
    CHECK(wire::from_map<wire::ActRequest>(Value()).value().wait);
}
