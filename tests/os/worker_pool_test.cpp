#include "shared/loop/worker_pool.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace berth;        // NOLINT(google-build-using-namespace): tests read better
using namespace berth::loop;  // NOLINT(google-build-using-namespace)
using std::chrono::milliseconds;
using std::chrono::seconds;
using Lane = WorkerPool::Lane;

namespace {

// Holds threads until it is opened.
class Gate {
public:
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }

    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }

    void wait_for(int count) {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, seconds(30), [&] { return waiting_ >= count; }));
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int waiting_ = 0;    // guarded by mutex_
    bool open_ = false;  // guarded by mutex_
};

// Turns until `done`, for thirty seconds at most.
template <class Done>
void turn_until(EventLoop& loop, Done done) {
    const auto end = MonoClock::now() + seconds(30);
    while (!done()) {
        REQUIRE(MonoClock::now() < end);
        REQUIRE(loop.turn(milliseconds(20)));
    }
}

constexpr WorkerPool::LaneOptions kShort{1, 8, milliseconds(50)};

}  // namespace

TEST_CASE("a job works in a thread and gives its result in the loop") {
    auto loop = EventLoop::create().value();
    WorkerPool pool(kShort);
    const auto here = std::this_thread::get_id();
    std::thread::id there;
    std::optional<Result<std::string>> got;
    std::thread::id where;
    auto ticket = pool.run<std::string>(
        *loop,
        Lane::Short,
        seconds(30),
        [&there](const WorkerPool::Control&) -> Result<std::string> {
            there = std::this_thread::get_id();
            return std::string("read");
        },
        [&](Result<std::string> result) {
            where = std::this_thread::get_id();
            got = std::move(result);
        });
    CHECK(ticket.active());
    turn_until(*loop, [&] { return got.has_value(); });
    CHECK(**got == "read");
    CHECK(there != here);
    CHECK(where == here);
    CHECK_FALSE(ticket.active());
    CHECK(loop->pending_timers() == 0);
}

TEST_CASE("a job that nobody waits for any more is told so, and its result is dropped") {
    auto loop = EventLoop::create().value();
    Gate gate;
    WorkerPool pool(kShort);
    std::atomic<bool> saw_cancel = false;
    std::atomic<bool> ended = false;
    bool got = false;
    auto ticket = pool.run<int>(
        *loop,
        Lane::Short,
        seconds(30),
        [&](const WorkerPool::Control& control) -> Result<int> {
            gate.pass();
            saw_cancel = control.cancelled();
            ended = true;
            return 1;
        },
        [&got](Result<int>) { got = true; });
    gate.wait_for(1);
    ticket.cancel();
    gate.open();
    turn_until(*loop, [&] { return ended.load(); });
    pool.stop();
    (void)loop->turn(milliseconds(0));
    CHECK(saw_cancel);
    CHECK_FALSE(got);
}

TEST_CASE("a job that takes too long is given up, and told so") {
    auto loop = EventLoop::create().value();
    Gate gate;
    WorkerPool pool(kShort);
    std::optional<Result<int>> got;
    const auto ticket = pool.run<int>(
        *loop,
        Lane::Short,
        milliseconds(20),
        [&](const WorkerPool::Control&) -> Result<int> {
            gate.pass();
            return 1;
        },
        [&got](Result<int> result) { got = std::move(result); });
    turn_until(*loop, [&] { return got.has_value(); });
    CHECK(got->error().code == ErrorCode::TimedOut);
    CHECK(got->error().message == "not done within 20 ms");
    gate.open();
}

TEST_CASE("what takes long does not hold up what is short") {
    auto loop = EventLoop::create().value();
    Gate gate;
    std::atomic<bool> done = false;
    WorkerPool pool(kShort, {/*threads=*/2, /*max_waiting=*/4, milliseconds(50)});
    for (int i = 0; i < 4; ++i) {
        REQUIRE(pool.post(Lane::Long, [&gate] { gate.pass(); }));
    }
    gate.wait_for(2);  // both threads of that lane
    REQUIRE(pool.post(Lane::Short, [&done] { done = true; }));
    turn_until(*loop, [&] { return done.load(); });
    gate.open();
}

TEST_CASE("a queue has a bound, and says so in a turn of its own") {
    auto loop = EventLoop::create().value();
    Gate gate;
    WorkerPool pool({/*threads=*/1, /*max_waiting=*/1, milliseconds(50)});
    REQUIRE(pool.post(Lane::Short, [&gate] { gate.pass(); }));
    gate.wait_for(1);
    REQUIRE(pool.post(Lane::Short, [] {}));
    CHECK_FALSE(pool.post(Lane::Short, [] {}));
    std::optional<Result<int>> got;
    const auto ticket = pool.run<int>(
        *loop,
        Lane::Short,
        seconds(30),
        [](const WorkerPool::Control&) -> Result<int> { return 1; },
        [&got](Result<int> result) { got = std::move(result); });
    CHECK_FALSE(got);
    turn_until(*loop, [&] { return got.has_value(); });
    CHECK(got->error().code == ErrorCode::Exhausted);
    gate.open();
}

TEST_CASE("threads end when there was nothing to do for a while, and begin again") {
    WorkerPool pool({/*threads=*/2, /*max_waiting=*/8, milliseconds(1)});
    auto loop = EventLoop::create().value();
    for (int i = 0; i < 50; ++i) {
        std::atomic<bool> done = false;
        REQUIRE(pool.post(Lane::Short, [&done] { done = true; }));
        turn_until(*loop, [&] { return done.load(); });
        (void)loop->turn(milliseconds(i % 3));
    }
}

TEST_CASE("a pool whose job hangs says so instead of waiting for it") {
    Gate gate;
    WorkerPool pool(kShort);
    CHECK(WorkerPool(kShort).stop_within(seconds(30)));
    REQUIRE(pool.post(Lane::Short, [&gate] { gate.pass(); }));
    gate.wait_for(1);
    CHECK_FALSE(pool.stop_within(milliseconds(20)));
    gate.open();
    CHECK(pool.stop_within(seconds(30)));
}

TEST_CASE("the end of the pool drops what waits and lets end what runs") {
    Gate gate;
    std::atomic<int> ran = 0;
    {
        WorkerPool pool(kShort);
        REQUIRE(pool.post(Lane::Short, [&] {
            gate.pass();
            ++ran;
        }));
        gate.wait_for(1);
        REQUIRE(pool.post(Lane::Short, [&ran] { ++ran; }));
        std::thread opener([&gate] { gate.open(); });
        pool.stop();
        opener.join();
        CHECK_FALSE(pool.post(Lane::Short, [] {}));
    }
    CHECK(ran >= 1);
}
