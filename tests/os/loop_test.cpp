#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/loop/event_loop.h"
#include "shared/loop/heap_trimmer.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"

using berth::loop::EventLoop;
using berth::loop::Interest;
using berth::loop::Registration;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr auto kForever = std::chrono::hours(1);

}  // namespace

TEST_CASE("timers run in the order of their times, those of one time in that of their making") {
    auto loop = EventLoop::create().value();
    std::vector<int> order;
    std::vector<Registration> timers;
    const auto base = loop->now().mono;
    for (const int ms : {9, 3, 6, 3, 0}) {
        timers.push_back(loop->at(base + milliseconds(ms), [&order, ms] { order.push_back(ms); }));
    }
    timers.push_back(loop->at(base + milliseconds(3), [&order] { order.push_back(33); }));
    CHECK(loop->pending_timers() == 6);
    while (loop->pending_timers() > 0) {
        REQUIRE(loop->turn(kForever));
    }
    CHECK(order == std::vector<int>{0, 3, 3, 33, 6, 9});
    CHECK(loop->now().mono >= base + milliseconds(9));
}

TEST_CASE("a timer that sets itself again does not hold up a turn") {
    auto loop = EventLoop::create().value();
    int ran = 0;
    Registration timer;
    std::function<void()> again = [&] {
        ++ran;
        timer = loop->after(milliseconds(0), again);
    };
    timer = loop->after(milliseconds(0), again);
    REQUIRE(loop->turn(kForever));
    CHECK(ran == 1);
    REQUIRE(loop->turn(kForever));
    CHECK(ran == 2);
}

TEST_CASE("after a hold-up timers wait until what came meanwhile is taken in") {
    auto loop = EventLoop::create().value();
    std::vector<std::string> order;
    int looks = 0;
    // As others say it step by step: something more is there each time that the loop looks.
    const Registration hook = loop->before_sleep([&] {
        if (++looks < 5) {
            order.emplace_back("news");
            return true;
        }
        return false;
    });
    const auto late = loop->now().mono - seconds(1);
    const Registration timer = loop->at(late, [&] { order.emplace_back("timer"); });
    while (loop->pending_timers() > 0) {
        REQUIRE(loop->turn(kForever));
    }
    CHECK(order == std::vector<std::string>{"news", "news", "news", "news", "timer"});
    CHECK(loop->now().mono >= late + seconds(1) + milliseconds(100));
}

TEST_CASE("callbacks may unregister themselves and each other") {
    auto loop = EventLoop::create().value();
    int ran = 0;
    Registration first;
    Registration second;
    Registration later;
    first = loop->after(milliseconds(0), [&] {
        ++ran;
        first.reset();
        second.reset();
        later.reset();
    });
    second = loop->after(milliseconds(0), [&] { ++ran; });
    later = loop->after(seconds(3600), [&] { ++ran; });
    REQUIRE(loop->turn(kForever));
    CHECK(ran == 1);
    CHECK(loop->pending_timers() == 0);

    auto a = berth::os::make_socketpair(berth::os::SocketKind::Stream).value();
    auto b = berth::os::make_socketpair(berth::os::SocketKind::Stream).value();
    Registration watch_a;
    Registration watch_b;
    int seen = 0;
    const auto both = [&](bool readable, bool) {
        CHECK(readable);
        ++seen;
        watch_a.reset();
        watch_b.reset();
    };
    watch_a = loop->watch(a.first.get(), Interest::Read, both);
    watch_b = loop->watch(b.first.get(), Interest::Read, both);
    REQUIRE(berth::os::write_some(a.second.get(), "x").bytes == 1);
    REQUIRE(berth::os::write_some(b.second.get(), "x").bytes == 1);
    REQUIRE(loop->turn(kForever));
    (void)loop->turn(milliseconds(0));
    CHECK(seen == 1);  // the other one was ready, but not watched any more
}

TEST_CASE("a watch sees readiness, changes of interest and a hang-up") {
    auto loop = EventLoop::create().value();
    auto pair = berth::os::make_socketpair(berth::os::SocketKind::Stream).value();
    bool in = false;
    bool out = false;
    const Registration watch =
        loop->watch(pair.first.get(), Interest::Read, [&](bool readable, bool writable) {
            in = readable;
            out = writable;
        });
    REQUIRE(loop->turn(milliseconds(0)));
    CHECK_FALSE((in || out));
    loop->modify(watch, Interest::ReadWrite);
    REQUIRE(loop->turn(kForever));
    CHECK((!in && out));
    loop->modify(watch, Interest::Read);
    pair.second.reset();
    REQUIRE(loop->turn(kForever));
    CHECK(in);
}

TEST_CASE("jobs from many threads run in the loop's thread, none is lost") {
    auto loop = EventLoop::create().value();
    constexpr int kThreads = 4;
    constexpr int kJobs = 2000;
    int ran = 0;
    bool foreign = false;
    const auto self = std::this_thread::get_id();
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < kJobs; ++i) {
                loop->post([&] {
                    ++ran;
                    foreign = foreign || std::this_thread::get_id() != self;
                    if (ran == kThreads * kJobs) {
                        loop->stop();
                    }
                });
            }
        });
    }
    loop->run();
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(ran == kThreads * kJobs);
    CHECK_FALSE(foreign);
}

TEST_CASE("stop from another thread ends a loop that sleeps") {
    auto loop = EventLoop::create().value();
    std::atomic<bool> asleep = false;
    const Registration hook = loop->before_sleep([&asleep] {
        asleep = true;
        return false;
    });
    std::thread other([&] {
        while (!asleep) {
            std::this_thread::yield();
        }
        loop->stop();
    });
    loop->run();
    other.join();
    CHECK(asleep);
}

TEST_CASE("a hook that has done something keeps the turn from sleeping") {
    auto loop = EventLoop::create().value();
    int calls = 0;
    Registration hook = loop->before_sleep([&] { return ++calls < 3; });
    Registration timer = loop->after(milliseconds(1), [] {});
    REQUIRE(loop->turn(kForever));  // would sleep for an hour otherwise
    REQUIRE(loop->turn(kForever));
    CHECK(calls == 2);
    hook.reset();
    (void)loop->turn(milliseconds(0));
    CHECK(calls == 2);
}

#ifndef BERTH_SANITIZED  // a sanitizer has a heap of its own
TEST_CASE("what a burst of work has freed goes back to the kernel a while later") {
    constexpr std::size_t kPieces = 60'000;
    auto loop = EventLoop::create().value();
    berth::loop::HeapTrimmer trimmer(*loop, 100, milliseconds(20));
    const auto resident = [] { return berth::os::read_stat(::getpid()).value().rss_pages; };
    std::vector<std::unique_ptr<std::string>> pieces;
    for (std::size_t i = 0; i < kPieces; ++i) {
        pieces.push_back(std::make_unique<std::string>(500, 'x'));
    }
    // All but a few at the end, below which glibc keeps what is free.
    pieces.erase(pieces.begin(), pieces.end() - 10);
    const auto full = resident();
    trimmer.worked(99);
    CHECK(loop->pending_timers() == 0);  // no burst, no timer
    trimmer.worked(1);
    REQUIRE(loop->turn(kForever));
    CHECK(resident() < full - 5000);  // of about 8,000 pages
    trimmer.worked(99);
    CHECK(loop->pending_timers() == 0);  // and nothing more until the next
}
#endif
