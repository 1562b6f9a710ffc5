#include "shared/loop/event_loop.h"

#include <errno.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <climits>

#include "shared/base/ensure.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::loop {

namespace {

constexpr std::uint64_t kWakeKey = 0;
constexpr Duration kHoldUp = std::chrono::milliseconds(500);  // a timer as late as this: one
constexpr Duration kTakeIn = std::chrono::milliseconds(100);
constexpr Duration kRepeatsLook = std::chrono::seconds(10);

std::uint32_t epoll_events(Interest interest) {
    switch (interest) {
        case Interest::None:
            return 0;
        case Interest::Read:
            return EPOLLIN;
        case Interest::Write:
            return EPOLLOUT;
        case Interest::ReadWrite:
            return EPOLLIN | EPOLLOUT;
        case Interest::Edge:
            break;
    }
    return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
}

}  // namespace

Registration::Registration(Registration&& other) noexcept
    : loop_(std::exchange(other.loop_, nullptr)), kind_(other.kind_), key_(other.key_) {}

Registration& Registration::operator=(Registration&& other) noexcept {
    if (this != &other) {
        reset();
        loop_ = std::exchange(other.loop_, nullptr);
        kind_ = other.kind_;
        key_ = other.key_;
    }
    return *this;
}

void Registration::reset() {
    if (loop_ != nullptr) {
        std::exchange(loop_, nullptr)->unregister(kind_, key_);
    }
}

Result<std::unique_ptr<EventLoop>> EventLoop::create(Clock clock) {
    os::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) {
        return fail(os::last_error("epoll_create1"));
    }
    BERTH_TRY(os::UniqueFd wake, os::make_eventfd());
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kWakeKey;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
        return fail(os::last_error("epoll_ctl"));
    }
    return std::unique_ptr<EventLoop>(
        new EventLoop(std::move(epoll), std::move(wake), std::move(clock)));
}

EventLoop::EventLoop(os::UniqueFd epoll, os::UniqueFd wake, Clock clock)
    : epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      clock_(std::move(clock)),
      now_(clock_()),
      clock_watch_(now_) {}

EventLoop::~EventLoop() = default;

Registration EventLoop::watch(int fd, Interest interest, FdCallback callback) {
    const std::uint64_t key = next_key_++;
    epoll_event event{};
    event.events = epoll_events(interest);
    event.data.u64 = key;
    const int added = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
    ENSURE(added == 0, "the descriptor is open, pollable and not watched already");
    watches_.emplace(key, std::make_shared<Watch>(Watch{fd, std::move(callback)}));
    return {*this, Registration::Kind::Fd, key};
}

void EventLoop::modify(const Registration& watch, Interest interest) {
    const auto found = watches_.find(watch.key_);
    ENSURE(found != watches_.end(), "only a registered watch is modified");
    epoll_event event{};
    event.events = epoll_events(interest);
    event.data.u64 = watch.key_;
    const int changed = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second->fd, &event);
    ENSURE(changed == 0, "the watched descriptor is still open");
}

Registration EventLoop::at(MonoTime when, Callback callback) {
    const std::uint64_t key = next_key_++;
    timers_.emplace(TimerKey{when, key}, std::move(callback));
    timer_times_.emplace(key, when);
    return {*this, Registration::Kind::Timer, key};
}

Registration EventLoop::after(Duration delay, Callback callback) {
    return at(now_.mono + delay, std::move(callback));
}

Registration EventLoop::before_sleep(std::function<bool()> hook) {
    const std::uint64_t key = next_key_++;
    hooks_.emplace(key, std::make_shared<std::function<bool()>>(std::move(hook)));
    return {*this, Registration::Kind::Hook, key};
}

Registration EventLoop::on_clock_set(std::function<void(Duration by)> hook) {
    const std::uint64_t key = next_key_++;
    clock_hooks_.emplace(key, std::move(hook));
    return {*this, Registration::Kind::Clock, key};
}

std::optional<MonoTime> EventLoop::next_timer() const {
    return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first.first);
}

void EventLoop::read_time() {
    now_ = clock_();
    const Duration by = clock_watch_.set_by(now_);
    if (by != Duration::zero()) {
        const auto hooks = clock_hooks_;  // they may unregister
        for (const auto& [key, hook] : hooks) {
            hook(by);
        }
    }
}

void EventLoop::unregister(Registration::Kind kind, std::uint64_t key) {
    switch (kind) {
        case Registration::Kind::Fd: {
            const auto found = watches_.find(key);
            if (found != watches_.end()) {
                (void)::epoll_ctl(
                    epoll_.get(), EPOLL_CTL_DEL, found->second->fd, nullptr);  // may be closed
                watches_.erase(found);
            }
            break;
        }
        case Registration::Kind::Timer: {
            const auto found = timer_times_.find(key);
            if (found != timer_times_.end()) {
                timers_.erase(TimerKey{found->second, key});
                timer_times_.erase(found);
            }
            break;
        }
        case Registration::Kind::Hook:
            hooks_.erase(key);
            break;
        case Registration::Kind::Clock:
            clock_hooks_.erase(key);
            break;
    }
}

void EventLoop::post(Callback job) {
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(job));
    }
    os::signal_eventfd(wake_.get());
}

void EventLoop::stop() {
    {
        const std::lock_guard lock(posted_mutex_);
        stopping_ = true;
    }
    os::signal_eventfd(wake_.get());
}

void EventLoop::run_posted() {
    std::vector<Callback> jobs;
    {
        const std::lock_guard lock(posted_mutex_);
        jobs.swap(posted_);
    }
    for (const Callback& job : jobs) {
        job();
    }
}

// Whether timers have to wait for what came while this process was held up.
bool EventLoop::held_up() {
    if (timers_.empty()) {
        timers_again_.reset();
        return false;
    }
    if (!timers_again_) {
        if (now_.mono - timers_.begin()->first.first < kHoldUp) {
            return false;
        }
        timers_again_ = now_.mono + kTakeIn;
    }
    if (now_.mono < *timers_again_) {
        return true;
    }
    timers_again_.reset();
    return false;
}

void EventLoop::run_timers() {
    if (held_up()) {
        return;
    }
    // What a callback adds for "now" runs in the next turn, so that a turn always ends.
    const std::uint64_t newest = next_key_;
    while (!timers_.empty()) {
        const auto first = timers_.begin();
        if (first->first.first > now_.mono || first->first.second >= newest) {
            break;
        }
        const Callback callback = std::move(first->second);
        timer_times_.erase(first->first.second);
        timers_.erase(first);
        callback();
    }
}

bool EventLoop::run_hooks() {
    bool more = false;
    std::vector<std::uint64_t> keys;
    keys.reserve(hooks_.size());
    for (const auto& [key, hook] : hooks_) {
        keys.push_back(key);
    }
    for (const std::uint64_t key : keys) {
        const auto found = hooks_.find(key);
        if (found != hooks_.end()) {
            const auto hook = found->second;  // it may unregister itself
            more = (*hook)() || more;
        }
    }
    return more;
}

int EventLoop::timeout_ms(Duration limit, bool more) const {
    if (more) {
        return 0;
    }
    Duration wait = limit;
    if (!timers_.empty()) {
        const MonoTime now = clock_().mono;
        const MonoTime next = std::max(timers_.begin()->first.first, timers_again_.value_or(now));
        wait = std::clamp(Duration(next - now), Duration::zero(), limit);
    }
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    return ms > INT_MAX ? -1 : static_cast<int>(ms);
}

bool EventLoop::turn(Duration limit) {
    const bool more = run_hooks();
    if (log::holds_repeats()) {  // they are told of though nothing else happens
        log::tell_repeats();
        limit = std::min<Duration>(limit, kRepeatsLook);
    }
    {
        const std::lock_guard lock(posted_mutex_);
        if (stopping_) {
            stopping_ = false;
            return false;
        }
    }
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(
        epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms(limit, more));
    ENSURE(count >= 0 || errno == EINTR, "epoll_wait fails on a bad descriptor only");
    read_time();
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events.at(static_cast<std::size_t>(i));
        if (event.data.u64 == kWakeKey) {
            os::clear_eventfd(wake_.get());
            continue;
        }
        const auto found = watches_.find(event.data.u64);
        if (found == watches_.end()) {
            continue;  // unregistered by a callback of this turn
        }
        const auto watch = found->second;
        const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
        watch->callback(broken || (event.events & (EPOLLIN | EPOLLRDHUP)) != 0,
                        broken || (event.events & EPOLLOUT) != 0);
    }
    run_posted();
    run_timers();
    return true;
}

void EventLoop::run() {
    while (turn(Duration::max())) {
    }
}

}  // namespace berth::loop
