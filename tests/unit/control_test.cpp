#include "shared/wire/control.h"

#include <limits>
#include <string>

#include <catch2/catch.hpp>

#include "shared/wire/status.h"

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::wire;

namespace {

WallTime at(std::int64_t ns) {
    return WallTime(Duration(ns));
}

AppStatus full_status() {
    AppStatus s;
    s.id = "web";
    s.name = "The web";
    s.comment = "serves";
    s.state = AppState::Backoff;
    s.desired = Desired::Running;
    s.since = at(1'700'000'000'123'456'789);
    s.reason = "exited 1";
    s.pid = 12;
    s.last_pid = 13;
    s.started = at(1);
    s.finished = at(-5);
    s.exit = ExitStatus{ExitKind::Signal, 11, true, "the kernel: out of memory"};
    s.limits = {{"memory", "512MiB", "walk"}, {"nofile", "10", "rlimit"}};
    s.next_try = at(7);
    s.restarts = 1'000'000'000'000;
    s.cpu_percent = 12.5;
    s.rss_bytes = std::uint64_t{1} << 40U;
    s.processes = 9;
    s.command = "web --port 80";
    s.path = "/srv/web";
    s.descriptor = "/srv/web/berth.toml";
    s.descriptor_kind = DescriptorKind::Procfile;
    s.backend = BackendType::Slurm;
    s.backend_id = "77";
    s.tty = true;
    s.autostart = true;
    s.tags = {"a", "b"};
    s.changed_on_disk = true;
    return s;
}

template <class Names>
void check_names(const Names& names) {
    for (std::size_t i = 0; i < names.names.size(); ++i) {
        const std::string_view name = names.names.at(i);
        INFO(name);
        CHECK_FALSE(name.empty());
        const auto value = names.value(name);
        REQUIRE(value);
        CHECK(static_cast<std::size_t>(*value) == i);
        CHECK(names.name(*value) == name);
    }
    CHECK_FALSE(names.value("no such name"));
    CHECK_FALSE(names.value(""));
}

}  // namespace

TEST_CASE("every enum and its names are inverse") {
    check_names(kAppKindNames);
    check_names(kDescriptorKindNames);
    check_names(kRestartPolicyNames);
    check_names(kBackendTypeNames);
    check_names(kScheduleOverlapNames);
    check_names(kConfigTypeNames);
    check_names(kAppStateNames);
    check_names(kDesiredNames);
}

TEST_CASE("a status survives the wire, set or unset") {
    const AppStatus full = full_status();
    CHECK(to_app_status(decode(encode(to_value(full))).value()).value() == full);
    AppStatus bare;
    bare.id = "x";
    CHECK(to_app_status(decode(encode(to_value(bare))).value()).value() == bare);
    for (const ExitKind kind : {ExitKind::Code, ExitKind::Signal, ExitKind::Unknown}) {
        bare.exit = ExitStatus{kind, 255, false};
        CHECK(to_app_status(to_value(bare)).value() == bare);
    }
}

TEST_CASE("a status without an id or with an unknown name is refused, unknown members are not") {
    CHECK_FALSE(to_app_status(Value()));
    CHECK_FALSE(to_app_status(Value::Map{{"name", "x"}}));
    for (const char* member : {"state", "desired", "kind", "backend"}) {
        CHECK_FALSE(to_app_status(Value::Map{{"id", "x"}, {member, "sideways"}}));
    }
    CHECK(to_app_status(Value::Map{{"id", "x"}, {"new in the next version", true}}));
}

TEST_CASE("what an agent says of itself survives the wire") {
    const AgentInfo info{"lab",
                         "0.1.0",
                         "/home/x",
                         "host",
                         1,
                         2,
                         at(3),
                         {"memory", "pids"},
                         "it hangs",
                         {"repos/x/berth.toml:3:1: no"}};
    CHECK(to_agent_info(decode(encode(to_value(info))).value()) == info);
}

TEST_CASE("requests, replies and pushes survive the wire") {
    const Request request{7, "act", Value::Map{{"patterns", strings({"a*"})}}};
    const auto asked = decode_request(encode_request(request));
    REQUIRE(asked);
    CHECK(asked->id == 7);
    CHECK(asked->verb == "act");
    CHECK(asked->args == request.args);

    const Reply reply{7, Code::NotFound, Value::Map{{"error", "no app"}}};
    const auto answer = decode_answer(encode_reply(reply));
    REQUIRE(answer);
    REQUIRE(answer->reply);
    CHECK_FALSE(answer->push);
    CHECK(answer->reply->id == 7);
    CHECK(answer->reply->code == Code::NotFound);
    CHECK(error_of(*answer->reply)->message == "no app");
    CHECK_FALSE(error_of({1, Code::Ok, Value()}));

    const auto push = decode_answer(encode_push({"delta", Value::Map{{"seq", std::uint64_t{3}}}}));
    REQUIRE(push);
    REQUIRE(push->push);
    CHECK_FALSE(push->reply);
    CHECK(push->push->kind == "delta");
    CHECK(push->push->info["seq"].as_uint() == 3);
}

TEST_CASE("malformed requests are refused, with their id where there is one") {
    struct Row {
        Value value;
        std::uint64_t id;
    };

    const std::uint64_t one = 1;
    const std::vector<Row> rows = {
        {Value(), 0},
        {Value::Map{}, 0},
        {Value::Array{one, one, "v"}, 0},
        {Value::Array{one, one, "v", Value(), Value()}, 0},
        {Value::Array{"1", one, "v", Value()}, 0},
        {Value::Array{one, std::int64_t{-1}, "v", Value()}, 0},
        {Value::Array{one, one, one, Value()}, 0},
        {Value::Array{std::uint64_t{99}, std::uint64_t{5}, "v", Value()}, 5},
        {Value::Array{one, std::uint64_t{0}, "v", Value()}, 0},
        {Value::Array{one, std::uint64_t{6}, "v", "args"}, 6},
        {Value::Array{one, std::uint64_t{6}, "v", Value::Array{}}, 6},
    };
    for (const Row& row : rows) {
        std::uint64_t id = 0;
        CHECK_FALSE(decode_request(encode(row.value), &id));
        CHECK(id == row.id);
    }
    CHECK_FALSE(decode_request("no msgpack at all"));
    CHECK(decode_request(encode(Value::Array{one, one, "v", Value()})));
    for (const Value& value :
         {Value(), Value(Value::Array{}), Value(Value::Array{one, one, one})}) {
        CHECK_FALSE(decode_answer(encode(value)));
    }
}

TEST_CASE("codes and errors map onto each other") {
    for (const Code code : {Code::Malformed,
                            Code::Unauthenticated,
                            Code::Forbidden,
                            Code::NotFound,
                            Code::WrongState,
                            Code::TooLarge,
                            Code::Full,
                            Code::Internal,
                            Code::Stopping,
                            Code::TimedOut}) {
        CHECK(code_of(Error{error_code_of(code), "", 0}) == code);
    }
    CHECK(error_reply(3, {ErrorCode::NotFound, "gone", 0}).info["error"].as_string() == "gone");
}

TEST_CASE("results and log batches survive the wire") {
    const ActResult result{"web", false, Code::WrongState, "must be active", AppState::Failed};
    const ActResult again = to_act_result(decode(encode(to_value(result))).value());
    CHECK(again.id == result.id);
    CHECK(again.ok == result.ok);
    CHECK(again.code == result.code);
    CHECK(again.message == result.message);
    CHECK(again.state == result.state);

    LogBatch batch;
    batch.lines = {{at(1), true, false, std::string("\0\xFF x", 4)}, {at(2), false, true, ""}};
    batch.next = {3, 4};
    batch.skipped_bytes = 5;
    batch.truncated = true;
    const LogBatch copy = to_log_batch(decode(encode(to_value(batch))).value());
    CHECK(copy.lines == batch.lines);
    CHECK(copy.next == batch.next);
    CHECK(copy.skipped_bytes == 5);
    CHECK(copy.truncated);
}
