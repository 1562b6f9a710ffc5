#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/time/clock.h"

namespace berth::loop {

// Threads for work that blocks, in two lanes, so that what takes minutes never holds up what takes
// milliseconds. Each lane has a bounded number of threads, which begin when there is work and end
// when there was none for a while, and a bounded queue. Jobs get copies and give results; what they
// share with the loop is nothing. What still waits when the pool ends is dropped.
class WorkerPool {
public:
    enum class Lane : std::uint8_t {
        Short,  // reading a file, hashing a password
        Long,   // installing, hashing a tree, compressing
    };

    struct LaneOptions {
        std::size_t threads = 1;
        std::size_t max_waiting = 256;
        Duration linger = std::chrono::seconds(1);  // how long a thread waits for its next job
    };

    explicit WorkerPool(const LaneOptions& short_lane)
        : WorkerPool(short_lane, {/*threads=*/2, /*max_waiting=*/64}) {}

    WorkerPool(const LaneOptions& short_lane, const LaneOptions& long_lane);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // What a job may ask while it runs, in its thread.
    class Control {
    public:
        // Nobody wants its result any more, or its time is over: it is to end soon.
        [[nodiscard]] bool cancelled() const { return cancelled_->load(); }

    private:
        friend class WorkerPool;

        explicit Control(std::shared_ptr<std::atomic<bool>> cancelled)
            : cancelled_(std::move(cancelled)) {}

        std::shared_ptr<std::atomic<bool>> cancelled_;
    };

    // A job whose result somebody waits for. Destroying it cancels the job: its result is dropped.
    // Must not outlive its loop. Loop thread.
    class Ticket {
    public:
        Ticket() = default;
        Ticket(Ticket&&) noexcept = default;
        Ticket& operator=(Ticket&& other) noexcept;
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;

        ~Ticket() { cancel(); }

        // Nothing when it has given its result.
        void cancel();

        // Its result is still to come.
        [[nodiscard]] bool active() const { return job_ != nullptr && !job_->over; }

    private:
        friend class WorkerPool;

        struct Job {
            std::shared_ptr<std::atomic<bool>> cancelled =
                std::make_shared<std::atomic<bool>>(false);
            bool over = false;  // loop thread
            Registration deadline;
        };

        std::shared_ptr<Job> job_;
    };

    // Runs `job` in a thread. False: the queue is full, or the pool ends; it will not run. Any
    // thread.
    bool post(Lane lane, std::function<void()> job);

    // Runs `work` in a thread and then `done` with what it gave, from `loop`. Without a result
    // within `limit` it is TimedOut; with a full queue it is Exhausted, said in a turn of its own.
    template <class T>
    [[nodiscard]] Ticket run(EventLoop& loop,
                             Lane lane,
                             Duration limit,
                             std::function<Result<T>(const Control&)> work,
                             std::function<void(Result<T>)> done) {
        Ticket ticket;
        ticket.job_ = std::make_shared<Ticket::Job>();
        // Kept alive by whoever may still call it, and destroyed in the loop: what `done` holds is
        // the loop's.
        const auto finish = std::make_shared<std::function<void(Result<T>)>>(
            [job = std::weak_ptr(ticket.job_), done = std::move(done)](Result<T> result) {
                const auto alive = job.lock();
                if (alive && !std::exchange(alive->over, true)) {
                    alive->deadline.reset();
                    done(std::move(result));
                }
            });
        const Control control(ticket.job_->cancelled);
        const bool taken = post(lane, [&loop, work = std::move(work), control, finish]() mutable {
            if (control.cancelled()) {
                return loop.post([kept = std::move(finish)] {});
            }
            auto result = std::make_shared<Result<T>>(work(control));
            loop.post([kept = std::move(finish), result] { (*kept)(std::move(*result)); });
        });
        if (!taken) {
            loop.post([finish] {
                (*finish)(fail(ErrorCode::Exhausted, "too much is waiting to be done"));
            });
        }
        ticket.job_->deadline =
            loop.after(limit, [finish, cancelled = ticket.job_->cancelled, limit] {
                cancelled->store(true);
                (*finish)(fail(ErrorCode::TimedOut, "not done within " + short_duration(limit)));
            });
        return ticket;
    }

    // Ends after the jobs that run now.
    void stop();

    // The same, but waits for them no longer than `limit`. False: some hang, in a file system that
    // does not answer; then the process is to be left without destroying this.
    [[nodiscard]] bool stop_within(Duration limit);

private:
    struct Worker {
        std::thread thread;
        bool running = false;  // guarded by mutex_
    };

    struct LaneState {
        LaneOptions options;
        std::deque<std::function<void()>> waiting;  // guarded by mutex_
        std::size_t idle = 0;                       // guarded by mutex_
        std::vector<std::unique_ptr<Worker>> workers;
        std::condition_variable changed;
    };

    LaneState& state_of(Lane lane) { return lanes_.at(static_cast<std::size_t>(lane)); }

    void drop_waiting();
    bool start_worker(LaneState& lane);
    void work(LaneState& lane, Worker& self);

    std::mutex mutex_;
    std::array<LaneState, 2> lanes_;
    bool stopping_ = false;          // guarded by mutex_
    std::condition_variable ended_;  // a thread has
};

}  // namespace berth::loop
