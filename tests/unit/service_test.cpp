#include <mutex>

#include <catch2/catch.hpp>

#include "controller/service/runner.h"
#include "controller/service/use_cases.h"

using namespace berth;
using namespace berth::service;

namespace {

// An audit log in memory, which may refuse.
class Pages : public store::Audit {
public:
    Result<void> add(const store::AuditRow& row) override {
        if (full) {
            return fail(ErrorCode::Io, "the disk is full");
        }
        rows.push_back(row);
        return {};
    }

    Result<std::vector<store::AuditRow>> page(std::uint64_t /*before*/,
                                              std::size_t /*limit*/) override {
        return rows;
    }

    bool full = false;
    std::vector<store::AuditRow> rows;
};

struct World {
    Pages pages;
    loop::WorkerPool workers{loop::WorkerPool::LaneOptions{}};
    Runner runner{pages, workers};
};

Caller somebody(access::Role role) {
    return Caller::of(access::Identity{"bob", role, "", ""}, "10.0.0.1");
}

constexpr UseCase kPaint{"paint", Right::Operate, Kind::Change};

}  // namespace

TEST_CASE("a use case is run for who has its right, and for nobody else") {
    World world;
    int ran = 0;
    const auto paint = [&](const Caller& caller) {
        return world.runner.change_now<int>(kPaint, caller, [&] {
            return Changed<int>::begun({++ran}, {"the wall", "done"});
        });
    };
    CHECK(paint(somebody(access::Role::Viewer)).error().code == ErrorCode::PermissionDenied);
    CHECK(paint(Caller::of(std::nullopt, "10.0.0.1")).error().code == ErrorCode::Unauthenticated);
    CHECK(ran == 0);
    CHECK(world.pages.rows.empty());
    CHECK(*paint(somebody(access::Role::Operator)) == 1);
    CHECK(*paint(somebody(access::Role::Admin)) == 2);
    CHECK(*paint(Caller::command_line()) == 3);
    REQUIRE(world.pages.rows.size() == 3);
    CHECK(world.pages.rows[0].actor == "bob");
    CHECK(world.pages.rows[0].address == "10.0.0.1");
    CHECK(world.pages.rows[0].verb == "paint");
    CHECK(world.pages.rows[0].target == "the wall");
    CHECK(world.pages.rows[0].result == "done");
    CHECK(world.pages.rows[2].actor == "command line");
    CHECK(world.pages.rows[2].address == "local");
}

TEST_CASE("what failed is written down, what was not begun is not") {
    World world;
    const auto paint = [&](Changed<void> changed) {
        return world.runner.change_now<void>(
            kPaint, Caller::command_line(), [&] { return std::move(changed); });
    };
    const Error error{ErrorCode::WrongState, "wet", 0};
    CHECK_FALSE(paint(Changed<void>::begun({fail(error)}, {"wall", "failed: wet", "repaint"})));
    CHECK_FALSE(paint(Changed<void>::not_begun(error)));
    CHECK(paint(Changed<void>::nothing_to_do({Result<void>()})));
    REQUIRE(world.pages.rows.size() == 1);
    CHECK(world.pages.rows[0].verb == "repaint");  // closer than the use case's own
    CHECK(world.pages.rows[0].result == "failed: wet");
}

TEST_CASE("an answer is given after its entry is written, or could not be") {
    for (const bool full : {false, true}) {
        World world;
        world.pages.full = full;
        std::mutex waiting;
        std::condition_variable told;
        std::optional<std::size_t> written;
        world.runner.change<int>(
            kPaint,
            somebody(access::Role::Admin),
            [&](const Answer<int>& answer) {
                const std::lock_guard lock(waiting);
                CHECK(*answer.result == 7);
                written = world.pages.rows.size();
                told.notify_one();
            },
            [](const Finish<int>& finish) {
                finish(Changed<int>::begun({7}, {"wall", "done"}));
            });
        std::unique_lock lock(waiting);
        REQUIRE(told.wait_for(lock, std::chrono::seconds(10), [&] { return written.has_value(); }));
        CHECK(*written == (full ? 0U : 1U));
    }
}

TEST_CASE("what is read is not written down, and needs its right too") {
    World world;
    std::vector<std::string> answers;
    const auto look = [&](const Caller& caller) {
        world.runner.read<int>(
            kShowAudit,
            caller,
            [&](const Answer<int>& answer) {
                answers.push_back(answer.result ? "seen" : answer.result.error().message);
            },
            [](const Done<int>& give) { give({1}); });
    };
    look(somebody(access::Role::Operator));
    look(somebody(access::Role::Admin));
    CHECK(answers == std::vector<std::string>{"your role does not allow this", "seen"});
    CHECK(world.pages.rows.empty());
}
