#include "controller/fleet/fleet.h"

#include <deque>
#include <map>

#include <catch2/catch.hpp>

#include "controller/face/fleet_json.h"
#include "controller/face/live/frames.h"
#include "controller/face/log_json.h"
#include "controller/face/rest/schemas.h"
#include "controller/fleet/log_follow.h"
#include "shared/json/json_value.h"
#include "shared/wire/status.h"

using namespace std::chrono_literals;
using namespace berth;
using namespace berth::fleet;
using wire::Value;

namespace {

AppStatus app(const std::string& id, AppState state) {
    AppStatus status;
    status.id = id;
    status.name = id;
    status.state = state;
    return status;
}

}  // namespace

TEST_CASE("the JSON of an app and an agent has the documented members") {
    const auto schemas = json::parse_json(rest::schemas_json());
    REQUIRE(schemas);
    const auto members_of = [&](const char* name) {
        std::set<std::string> names;
        for (const auto& member : schemas->find(name)->find("properties")->members()) {
            names.insert(member.key);
        }
        return names;
    };
    const auto keys_of = [](const std::string& text) {
        std::set<std::string> names;
        const auto value = json::parse_json(text);
        REQUIRE(value);
        for (const auto& member : value->members()) {
            names.insert(member.key);
        }
        return names;
    };
    json::JsonWriter one;
    one.begin_object();
    AppStatus status = app("x", AppState::Running);
    status.exit = ExitStatus{ExitKind::Signal, 15, false};
    face::write_app(one, status, true);
    const std::string text = one.end_object().take();
    std::set<std::string> members = members_of("AppStatus");
    members.insert("stale");
    CHECK(keys_of(text) == members);
    const auto value = json::parse_json(text);
    CHECK(*value->get<std::int64_t>("exit_code") == -15);  // as SPMI says it
    CHECK(*value->get<std::string>("signal") == "SIGTERM");
    CHECK(*value->get<bool>("stale"));
    CHECK(*value->get<bool>("active"));

    json::JsonWriter other;
    other.begin_object();
    face::write_agent(other, AgentView{});
    CHECK(keys_of(other.end_object().take()) == members_of("Agent"));
}

TEST_CASE("deltas hold what differs and nothing else") {
    const auto view = [](const std::string& key, const std::string& json) {
        auto it = std::make_shared<AppView>();
        it->key = key;
        it->rendered = json;
        return it;
    };
    FleetView before;
    before.apps["a/x"] = view("a/x", "{\"n\":1}");
    before.apps["a/y"] = view("a/y", "{\"n\":2}");
    FleetView now = before;
    CHECK(live::delta_text(2, before, now).empty());
    now.apps["a/x"] = view("a/x", "{\"n\":1}");
    CHECK(live::delta_text(2, before, now).empty());
    now.apps["a/x"] = view("a/x", "{\"n\":3}");
    now.apps.erase("a/y");
    now.apps["a/z"] = view("a/z", "{\"n\":4}");
    CHECK(live::delta_text(2, before, now) ==
          "{\"type\":\"delta\",\"seq\":2,\"agents\":[],\"apps\":[{\"n\":3},{\"n\":4}],"
          "\"removed\":[\"a/y\"],\"removed_agents\":[]}");
}

TEST_CASE("frames are as RFC 6455 wants them") {
    CHECK(live::accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(*live::text_frame("hi") == std::string("\x81\x02hi"));
    CHECK(live::text_frame(std::string(126, 'a'))->substr(0, 4) ==
          std::string("\x81\x7e\x00\x7e", 4));
    CHECK(live::text_frame(std::string(70'000, 'a'))->substr(0, 10) ==
          std::string("\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70", 10));
    CHECK(*live::close_frame(1000, "x") == std::string("\x88\x03\x03\xe8x"));
}

namespace {

struct FollowWorld {
    struct Asked {
        Value args;
        std::function<void(Result<Value>)> answer;
    };

    std::unique_ptr<loop::EventLoop> loop = std::move(*loop::EventLoop::create());
    std::deque<Asked> asked;
    std::vector<std::pair<std::vector<FollowerId>, LogPiece>> pieces;
    LogFollows follows{
        *loop,
        [this](const std::string&,
               const std::string& verb,
               Value args,
               Duration,
               std::function<void(Result<Value>)> answer) {
            CHECK(verb == "logs");
            asked.push_back({std::move(args), std::move(answer)});
        },
        face::log_pieces,
        [this](std::vector<FollowerId> to, const std::shared_ptr<const LogPiece>& piece) {
            pieces.emplace_back(std::move(to), *piece);
        }};

    void answer(const std::vector<std::string>& texts, std::uint64_t offset) {
        wire::LogBatch batch;
        for (const std::string& text : texts) {
            batch.lines.push_back({WallTime(), false, false, text});
        }
        batch.next = {1, offset};
        const Asked first = std::move(asked.front());
        asked.pop_front();
        first.answer(wire::to_value(batch));
    }

    void wait_for_question() {
        while (asked.empty()) {
            (void)loop->turn(20ms);
        }
    }
};

}  // namespace

TEST_CASE("followers of one log share its reading") {
    FollowWorld world;
    world.follows.follow(1, "a", "x", 10);
    CHECK(world.asked.front().args["tail"].as_uint() == 10);
    world.answer({"one"}, 100);
    REQUIRE(world.pieces.size() == 1);
    CHECK(world.pieces[0].second.reset);
    CHECK(world.pieces[0].second.app == "a/x");
    world.wait_for_question();
    CHECK(wire::to_log_position(world.asked.front().args["position"]).offset == 100);
    CHECK(world.asked.front().args["wait_ms"].as_int() == 25'000);

    // Another comes to the same place: one reading for both.
    world.follows.follow(2, "a", "x", 5);
    CHECK(world.follows.readings() == 2);
    std::swap(world.asked.front(), world.asked.back());
    world.answer({"one"}, 100);
    CHECK(world.follows.readings() == 1);
    world.answer({"two"}, 200);
    CHECK(world.pieces.back().first == std::vector<FollowerId>{1, 2});
    CHECK_FALSE(world.pieces.back().second.reset);

    world.follows.unfollow(1, "a/x");
    CHECK(world.follows.readings() == 1);
    world.follows.drop(2);
    CHECK(world.follows.readings() == 0);
}

TEST_CASE("following goes on after the agent was away and ends when the app is gone") {
    FollowWorld world;
    world.follows.follow(1, "a", "x", 10);
    world.answer({}, 50);
    world.wait_for_question();
    auto first = std::move(world.asked.front());
    world.asked.pop_front();
    first.answer(fail(ErrorCode::Unavailable, "away"));
    CHECK(world.pieces.size() == 1);
    world.wait_for_question();
    CHECK(wire::to_log_position(world.asked.front().args["position"]).offset == 50);
    first = std::move(world.asked.front());
    world.asked.pop_front();
    first.answer(fail(ErrorCode::NotFound, "no app"));
    CHECK(world.pieces.back().second.error == "no app");
    CHECK(world.follows.readings() == 0);
}

TEST_CASE("what follows a log live is bounded, however long its lines are") {
    constexpr std::size_t kFrame = 400U << 10U;
    const auto total = [&](const std::vector<LogPiece>& pieces) {
        std::size_t bytes = 0;
        std::size_t lines = 0;
        for (const LogPiece& piece : pieces) {
            bytes += piece.lines.size();
            lines += piece.count;
            CHECK(piece.lines.size() < kFrame);
            const auto list = json::parse_json(piece.lines);
            REQUIRE(list);
            CHECK(list->items().size() == piece.count);
        }
        return std::pair(bytes, lines);
    };
    std::vector<wire::LogLine> lines;
    for (int i = 0; i < 1200; ++i) {
        lines.push_back({WallTime(), false, false, std::to_string(i) + std::string(1000, 'x')});
    }
    SECTION("the last ones first, and how many are missing is said") {
        const auto pieces = face::log_pieces(lines, MostOf::Last);
        const auto [bytes, count] = total(pieces);
        CHECK(bytes < (512U << 10U));
        CHECK(count > 300);
        CHECK(pieces.front().skipped_lines + count == 1200);
        CHECK(pieces.back().lines.find("\"1199x") != std::string::npos);
    }
    SECTION("then all of them, in pieces") {
        const auto pieces = face::log_pieces(lines, MostOf::All);
        CHECK(pieces.size() > 4);
        CHECK(total(pieces).second == 1200);
    }
    SECTION("one line of five megabytes, and one of control characters") {
        lines = {{WallTime(), false, false, std::string(5U << 20U, 'y')},
                 {WallTime(), false, true, std::string(2U << 20U, '\0')},
                 {WallTime(), false, false, "ü" + std::string(16383, 'z')}};
        for (const MostOf most : {MostOf::Last, MostOf::All}) {
            const auto pieces = face::log_pieces(lines, most);
            CHECK(total(pieces).second == 3);
            CHECK(pieces.front().lines.find("\"cut\":" + std::to_string((5U << 20U) - 16384)) !=
                  std::string::npos);
        }
    }
    SECTION("nothing is an empty list") {
        const auto pieces = face::log_pieces({}, MostOf::Last);
        REQUIRE(pieces.size() == 1);
        CHECK(pieces.front().lines == "[]");
    }
}
