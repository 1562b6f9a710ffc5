#include "controller/fleet/agent_link.h"

#include <deque>
#include <set>

#include <catch2/catch.hpp>

#include "shared/wire/status.h"

using namespace std::chrono_literals;
using namespace berth;
using namespace berth::fleet;
using wire::Value;

namespace {

AppStatus app(const std::string& id, AppState state = AppState::Stopped) {
    AppStatus status;
    status.id = id;
    status.name = id;
    status.state = state;
    return status;
}

Value apps(const std::vector<AppStatus>& statuses) {
    Value::Array values;
    for (const AppStatus& status : statuses) {
        values.push_back(wire::to_value(status));
    }
    return values;
}

// An agent as the link sees it: what is sent to it, and a way to answer.
struct FakeAgent {
    struct Line : Transport {
        explicit Line(FakeAgent& agent_in) : agent(agent_in) {}

        bool send(std::string_view frame) override {
            if (agent.mute) {
                return false;
            }
            agent.requests.push_back(*wire::decode_request(frame));
            return true;
        }

        FakeAgent& agent;
    };

    Connect connect() {
        return [this](Received received_in) -> Result<std::unique_ptr<Transport>> {
            received = std::move(received_in);
            ++connections;
            return std::unique_ptr<Transport>(std::make_unique<Line>(*this));
        };
    }

    wire::Request take(const std::string& verb) {
        for (auto at = requests.begin(); at != requests.end(); ++at) {
            if (at->verb == verb) {
                wire::Request request = *at;
                requests.erase(at);
                return request;
            }
        }
        return {};
    }

    std::size_t asked(const std::string& verb) const {
        return static_cast<std::size_t>(
            std::count_if(requests.begin(), requests.end(), [&](const auto& request) {
                return request.verb == verb;
            }));
    }

    void answer(const wire::Request& request, Value info) {
        received(wire::encode_reply({request.id, wire::Code::Ok, std::move(info)}));
    }

    void snapshot(std::uint64_t sequence, const std::vector<AppStatus>& statuses) {
        AgentInfo info;
        info.name = "a";
        info.pid = pid;
        const auto request = take("subscribe");
        REQUIRE(request.id != 0);
        answer(request,
               Value::Map{{"agent", wire::to_value(info)},
                          {"seq", sequence},
                          {"connection", connection},
                          {"apps", apps(statuses)}});
    }

    void delta(std::uint64_t sequence,
               const std::vector<AppStatus>& statuses,
               const std::vector<std::string>& removed = {}) {
        received(wire::encode_push({"delta",
                                    Value::Map{{"seq", sequence},
                                               {"apps", apps(statuses)},
                                               {"removed", wire::strings(removed)}}}));
    }

    void tick(std::uint64_t sequence) {
        received(wire::encode_push({"tick", Value::Map{{"seq", sequence}}}));
    }

    Received received;
    std::deque<wire::Request> requests;
    int connections = 0;
    bool mute = false;
    std::int32_t pid = 7;
    std::string connection = "01";
};

struct LinkWorld {
    LinkWorld() { link.start(); }

    // Turns of the real loop until `done`, at most for `limit`.
    template <class Done>
    bool until(Done done, Duration limit = 10s) {
        const MonoTime end = MonoClock::now() + limit;
        while (!done()) {
            if (MonoClock::now() > end) {
                return false;
            }
            (void)loop->turn(20ms);
        }
        return true;
    }

    std::unique_ptr<loop::EventLoop> loop = std::move(*loop::EventLoop::create());
    FakeAgent agent;
    int states = 0;
    std::set<std::string> changed;
    AgentLink link{
        *loop,
        agent.connect(),
        {[this] { ++states; },
         [this](const std::set<std::string>& ids) { changed.insert(ids.begin(), ids.end()); }}};
};

}  // namespace

TEST_CASE("a link follows snapshot and deltas") {
    LinkWorld world;
    CHECK(world.link.state() == LinkState::Connecting);
    world.agent.snapshot(5, {app("x"), app("y")});
    CHECK(world.link.state() == LinkState::Connected);
    CHECK(world.link.info()->pid == 7);
    CHECK(world.changed == std::set<std::string>{"x", "y"});

    world.changed.clear();
    world.agent.delta(6, {app("x", AppState::Running), app("z")}, {"y"});
    CHECK(world.changed == std::set<std::string>{"x", "y", "z"});
    CHECK(world.link.apps().at("x").state == AppState::Running);
    CHECK(world.link.apps().count("y") == 0);

    SECTION("a repetition is harmless") {
        world.changed.clear();
        world.agent.delta(6, {app("x", AppState::Failed)});
        world.agent.delta(2, {app("x", AppState::Failed)});
        CHECK(world.changed.empty());
        CHECK(world.agent.asked("subscribe") == 0);
    }
    SECTION("a gap means: subscribe again") {
        world.agent.delta(8, {app("x", AppState::Failed)});
        CHECK(world.link.apps().at("x").state == AppState::Running);
        REQUIRE(world.agent.asked("subscribe") == 1);
        // What comes before the snapshot is not applied.
        world.agent.delta(9, {app("x", AppState::Failed)});
        world.changed.clear();
        world.agent.snapshot(9, {app("x", AppState::Stopping), app("z")});
        CHECK(world.link.state() == LinkState::Connected);
        CHECK(world.link.apps().at("x").state == AppState::Stopping);
        CHECK(world.changed == std::set<std::string>{"x"});
        world.agent.delta(10, {app("x")});
        CHECK(world.link.apps().at("x").state == AppState::Stopped);
    }
    SECTION("a tick with another number means the same") {
        world.agent.tick(6);
        CHECK(world.agent.asked("subscribe") == 0);
        world.agent.tick(7);
        CHECK(world.agent.asked("subscribe") == 1);
    }
    SECTION("garbage does no harm") {
        world.agent.received("\xc1");
        CHECK(world.link.apps().size() == 2);
    }
}

TEST_CASE("requests get their answer, or an error, exactly once") {
    LinkWorld world;
    std::vector<std::string> answers;
    const auto note = [&answers](const Result<Value>& answer) {
        answers.push_back(answer ? (*answer)["x"].as_string() : answer.error().message);
    };
    world.link.request("early", Value::Map{}, 1s, note);
    CHECK(answers == std::vector<std::string>{"the agent does not answer"});
    answers.clear();
    world.agent.snapshot(1, {});

    SECTION("answered") {
        world.link.request("show", Value::Map{{"id", "x"}}, 1s, note);
        const auto request = world.agent.take("show");
        CHECK(request.args["id"].as_string() == "x");
        CHECK(answers.empty());
        world.agent.answer(request, Value::Map{{"x", "yes"}});
        world.agent.answer(request, Value::Map{{"x", "again"}});
        CHECK(answers == std::vector<std::string>{"yes"});
    }
    SECTION("refused") {
        world.link.request("show", Value::Map{}, 1s, note);
        const auto request = world.agent.take("show");
        world.agent.received(
            wire::encode_reply(wire::error_reply(request.id, {ErrorCode::NotFound, "no", 0})));
        CHECK(answers == std::vector<std::string>{"no"});
    }
    SECTION("too late") {
        world.link.request("show", Value::Map{}, 50ms, note);
        const auto request = world.agent.take("show");
        REQUIRE(world.until([&] { return !answers.empty(); }));
        world.agent.answer(request, Value::Map{{"x", "late"}});
        CHECK(answers == std::vector<std::string>{"the agent did not answer in time"});
    }
    SECTION("the agent was replaced") {
        world.link.request("show", Value::Map{}, 10s, note);
        world.agent.tick(9);
        world.agent.pid = 8;
        world.agent.snapshot(1, {});
        CHECK(answers == std::vector<std::string>{"the agent was started again meanwhile"});
        CHECK(world.link.state() == LinkState::Connected);
    }
    SECTION("the connection was replaced behind the back of the transport") {
        world.link.request("act", Value::Map{}, 10s, note);
        world.agent.tick(9);
        world.agent.connection = "02";
        world.link.request("act", Value::Map{}, 10s, note);
        world.agent.snapshot(9, {});
        CHECK(answers == std::vector<std::string>{"the connection to the agent was interrupted"});
        (void)world.agent.take("act");
        world.agent.answer(world.agent.take("act"), Value::Map{{"x", "yes"}});
        CHECK(answers.back() == "yes");
    }
    SECTION("the queue is full") {
        world.agent.mute = true;
        world.link.request("show", Value::Map{}, 1s, note);
        CHECK(answers.size() == 1);
    }
}

TEST_CASE("a silent agent becomes unreachable, its apps stay, and it is tried again") {
    LinkWorld world;
    world.agent.snapshot(1, {app("x", AppState::Running)});
    std::vector<std::string> answers;
    world.link.request("act", Value::Map{}, 60s, [&answers](const Result<Value>& answer) {
        answers.push_back(answer ? "" : answer.error().message);
    });
    const MonoTime begin = MonoClock::now();
    REQUIRE(world.until([&] { return world.link.state() == LinkState::Unreachable; }));
    CHECK(MonoClock::now() - begin > 2500ms);
    CHECK(MonoClock::now() - begin < 4s);
    CHECK(answers.size() == 1);
    CHECK(world.link.apps().count("x") == 1);
    CHECK(world.link.last_seen());
    CHECK_FALSE(world.link.error().empty());
    const int before = world.agent.connections;
    REQUIRE(world.until([&] { return world.agent.connections > before; }));
    world.agent.requests.clear();
    REQUIRE(world.until([&] { return world.agent.asked("subscribe") > 0; }));
    world.agent.snapshot(1, {app("x")});
    CHECK(world.link.state() == LinkState::Connected);
    CHECK(world.link.error().empty());
}

TEST_CASE("an agent that answers but does not tick is subscribed to again") {
    LinkWorld world;
    REQUIRE(world.until([&] { return world.agent.asked("subscribe") == 1; }));
    world.agent.snapshot(1, {app("web")});
    // It was replaced by one that does not know us, and somebody asks it all the time.
    REQUIRE(world.until([&] {
        world.link.request("explain", {}, 5s, [](const Result<Value>& /*answer*/) {});
        world.agent.answer(world.agent.take("explain"), Value::Map{});
        return world.agent.asked("subscribe") == 1;
    }));
    world.agent.pid = 8;
    world.agent.snapshot(0, {app("web", AppState::Running)});
    CHECK(world.link.apps().at("web").state == AppState::Running);
}

TEST_CASE("over a long way the answer to an earlier subscribe counts") {
    LinkWorld world;
    REQUIRE(world.until([&] { return world.agent.asked("subscribe") == 1; }));
    world.agent.snapshot(1, {app("web")});
    REQUIRE(world.until([&] { return world.agent.asked("subscribe") == 2; }));
    world.agent.snapshot(4, {app("web", AppState::Running)});
    CHECK(world.link.apps().at("web").state == AppState::Running);
}

TEST_CASE("what an agent cannot do is told with its ticks") {
    LinkWorld world;
    world.agent.snapshot(1, {});
    const int before = world.states;
    world.agent.received(
        wire::encode_push({"tick", Value::Map{{"seq", 1U}, {"problem", "no keeper"}}}));
    CHECK(world.states == before + 1);
    CHECK(world.link.info()->problem == "no keeper");
    world.agent.tick(1);
    CHECK(world.link.info()->problem.empty());
}

TEST_CASE("a deadline is told by the clock of the agent") {
    LinkWorld world;
    world.agent.snapshot(1, {app("web")});
    const std::int64_t deadline = 1'000'000'000'000;
    const auto told = [&] {
        world.link.request("act", Value::Map{{"deadline_ns", deadline}}, 1s, [](const auto&) {});
        return world.agent.take("act").args["deadline_ns"].as_int();
    };
    CHECK(told() == deadline);
    const WallTime ahead = world.loop->now().wall + 1h;
    world.agent.received(
        wire::encode_push({"tick", Value::Map{{"seq", 1U}, {"time", wire::to_value(ahead)}}}));
    CHECK(told() == deadline + std::chrono::nanoseconds(1h).count());
    world.agent.received(wire::encode_push(
        {"tick",
         Value::Map{{"seq", 1U}, {"time", wire::to_value(world.loop->now().wall - 300ms)}}}));
    CHECK(told() == deadline);  // that is the way between them
}

TEST_CASE("an agent that lets nobody in is refused") {
    LinkWorld world;
    const auto request = world.agent.take("subscribe");
    world.agent.received(wire::encode_reply(wire::error_reply(
        request.id, {ErrorCode::PermissionDenied, "this key is not allowed here", 0})));
    CHECK(world.link.state() == LinkState::Refused);
    CHECK(world.link.error() == "this key is not allowed here");
}

TEST_CASE("an agent has as many apps as are shown, and as many requests under way as fit") {
    std::optional<Error> refused;  // is told of those that wait at the end, too
    LinkWorld world;
    world.agent.snapshot(1, {app("x")});
    std::uint64_t sequence = 1;
    for (int batch = 0; batch < 3; ++batch) {
        std::vector<AppStatus> statuses;
        for (int i = 0; i < 8000; ++i) {
            statuses.push_back(app("app" + std::to_string(batch * 8000 + i)));
        }
        world.agent.delta(++sequence, statuses);
    }
    CHECK(world.link.apps().size() == 20'000);
    world.agent.delta(++sequence, {app("x", AppState::Running), app("one-more")});
    CHECK(world.link.apps().at("x").state == AppState::Running);  // those that are shown go on
    CHECK(world.link.apps().count("one-more") == 0);
    world.agent.delta(++sequence, {app("one-more")}, {"app0"});
    world.agent.delta(++sequence, {app("one-more")});
    CHECK(world.link.apps().count("one-more") == 1);

    for (int i = 0; i < 4097; ++i) {
        world.link.request("list", Value::Map{}, 60s, [&refused](Result<Value> answer) {
            if (!answer) {
                refused = answer.error();
            }
        });
        CHECK(refused.has_value() == (i == 4096));
    }
    CHECK(refused->code == ErrorCode::Exhausted);
}
