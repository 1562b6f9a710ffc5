#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"
#include "shared/time/clock.h"

namespace berth::loop {

class EventLoop;

// Keeps a watch, timer or hook registered; unregisters it when destroyed. Must not outlive its
// loop.
class Registration {
public:
    Registration() = default;
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&& other) noexcept;
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

    ~Registration() { reset(); }

    void reset();

    [[nodiscard]] bool active() const { return loop_ != nullptr; }

private:
    friend class EventLoop;
    enum class Kind : std::uint8_t { Fd, Timer, Hook, Clock };

    Registration(EventLoop& loop, Kind kind, std::uint64_t key)
        : loop_(&loop), kind_(kind), key_(key) {}

    EventLoop* loop_ = nullptr;
    Kind kind_ = Kind::Fd;
    std::uint64_t key_ = 0;
};

// None: hang-ups and errors alone.
enum class Interest : std::uint8_t { None = 0, Read = 1, Write = 2, ReadWrite = 3, Edge = 7 };

// One epoll set, timers, and post() from other threads. Everything but post() and stop() is for the
// thread that runs it. Callbacks may register and unregister anything, themselves included; each is
// called with the loop's clock already read (now()).
class EventLoop {
public:
    using Callback = std::function<void()>;
    using FdCallback = std::function<void(bool readable, bool writable)>;

    // `clock` gives the time; another one than the kernel's is for tests, which move it by hand and
    // take turns that do not wait.
    using Clock = std::function<Now()>;
    static Result<std::unique_ptr<EventLoop>> create(Clock clock = read_clocks);
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // Calls back while `fd` is ready (level-triggered; `Edge`: once per change). A hang-up or error
    // counts as readable and writable. `fd` stays the caller's and must outlive the registration.
    [[nodiscard]] Registration watch(int fd, Interest interest, FdCallback callback);

    // Changes what a watch waits for.
    void modify(const Registration& watch, Interest interest);

    // Calls back once at `when`. After a hold-up of this process (it was stopped, or the machine
    // slept) timers wait a moment longer: what others have said meanwhile is taken in first, so
    // that our own absence is not held against them.
    [[nodiscard]] Registration at(MonoTime when, Callback callback);
    [[nodiscard]] Registration after(Duration delay, Callback callback);

    // Calls `hook` before the loop sleeps. It returns whether it did something that others may wait
    // for: then this turn does not sleep.
    [[nodiscard]] Registration before_sleep(std::function<bool()> hook);

    // Calls `hook` at the begin of the first turn after somebody has set the wall clock, before
    // anything else of that turn, with how much later it is now.
    [[nodiscard]] Registration on_clock_set(std::function<void(Duration by)> hook);

    // Runs `job` in the loop's thread, soon. From any thread.
    void post(Callback job);

    // Runs until stop().
    void run();

    // One turn: waits for at most `limit`. False: stop() was called.
    bool turn(Duration limit);

    // From any thread.
    void stop();

    // The clocks as read at the begin of this turn.
    [[nodiscard]] const Now& now() const { return now_; }

    [[nodiscard]] std::size_t pending_timers() const { return timers_.size(); }

    // When the next of them is due.
    [[nodiscard]] std::optional<MonoTime> next_timer() const;

private:
    friend class Registration;

    struct Watch {
        int fd;
        FdCallback callback;
    };

    using TimerKey = std::pair<MonoTime, std::uint64_t>;

    EventLoop(os::UniqueFd epoll, os::UniqueFd wake, Clock clock);
    void unregister(Registration::Kind kind, std::uint64_t key);
    void run_posted();
    void run_timers();
    bool held_up();
    bool run_hooks();
    void read_time();
    [[nodiscard]] int timeout_ms(Duration limit, bool more) const;

    os::UniqueFd epoll_;
    os::UniqueFd wake_;
    Clock clock_;
    Now now_;
    std::uint64_t next_key_ = 1;
    std::unordered_map<std::uint64_t, std::shared_ptr<Watch>> watches_;
    std::map<TimerKey, Callback> timers_;
    std::unordered_map<std::uint64_t, MonoTime> timer_times_;
    std::optional<MonoTime> timers_again_;  // after a hold-up no timer runs before
    std::map<std::uint64_t, std::shared_ptr<std::function<bool()>>> hooks_;
    ClockWatch clock_watch_;
    std::map<std::uint64_t, std::function<void(Duration)>> clock_hooks_;
    std::mutex posted_mutex_;
    std::vector<Callback> posted_;  // guarded by posted_mutex_
    bool stopping_ = false;         // guarded by posted_mutex_
};

}  // namespace berth::loop
