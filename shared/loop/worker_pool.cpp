#include "shared/loop/worker_pool.h"

#include "shared/os/thread.h"

namespace berth::loop {

void WorkerPool::Ticket::cancel() {
    if (job_ != nullptr) {
        job_->cancelled->store(true);
        job_.reset();
    }
}

WorkerPool::Ticket& WorkerPool::Ticket::operator=(Ticket&& other) noexcept {
    if (this != &other) {
        cancel();
        job_ = std::move(other.job_);
    }
    return *this;
}

WorkerPool::WorkerPool(const LaneOptions& short_lane, const LaneOptions& long_lane) {
    state_of(Lane::Short).options = short_lane;
    state_of(Lane::Long).options = long_lane;
    for (LaneState& lane : lanes_) {
        for (std::size_t i = 0; i < lane.options.threads; ++i) {
            lane.workers.push_back(std::make_unique<Worker>());
        }
    }
}

WorkerPool::~WorkerPool() {
    stop();
}

bool WorkerPool::post(Lane which, std::function<void()> job) {
    LaneState& lane = state_of(which);
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || lane.waiting.size() >= lane.options.max_waiting) {
            return false;
        }
        lane.waiting.push_back(std::move(job));
        if (lane.waiting.size() > lane.idle && !start_worker(lane)) {
            lane.waiting.pop_back();
            return false;
        }
    }
    lane.changed.notify_one();
    return true;
}

// With the lock held. False: no thread is there to take the job.
bool WorkerPool::start_worker(LaneState& lane) {
    bool others = false;
    for (const auto& worker : lane.workers) {
        if (worker->running) {
            others = true;
            continue;
        }
        if (worker->thread.joinable()) {
            worker->thread.join();  // it has said its last: it does not take the lock any more
        }
        auto thread = os::start_thread([this, &lane, &self = *worker] { work(lane, self); });
        if (thread) {
            worker->running = true;
            worker->thread = std::move(*thread);
            return true;
        }
        break;
    }
    return others;
}

void WorkerPool::work(LaneState& lane, Worker& self) {
    const auto woken = [this, &lane] { return stopping_ || !lane.waiting.empty(); };
    std::unique_lock lock(mutex_);
    for (;;) {
        ++lane.idle;
        if (lane.options.linger == Duration::max()) {
            lane.changed.wait(lock, woken);
        } else {
            (void)lane.changed.wait_for(lock, lane.options.linger, woken);
        }
        --lane.idle;
        if (stopping_ || lane.waiting.empty()) {
            self.running = false;
            ended_.notify_all();
            return;
        }
        auto job = std::move(lane.waiting.front());
        lane.waiting.pop_front();
        lock.unlock();
        job();
        job = nullptr;
        lock.lock();
    }
}

void WorkerPool::drop_waiting() {
    std::vector<std::deque<std::function<void()>>> dropped;  // destroyed without the lock
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (LaneState& lane : lanes_) {
            dropped.push_back(std::exchange(lane.waiting, {}));
        }
    }
    for (LaneState& lane : lanes_) {
        lane.changed.notify_all();
    }
}

bool WorkerPool::stop_within(Duration limit) {
    drop_waiting();
    {
        std::unique_lock lock(mutex_);
        const bool ended = ended_.wait_for(lock, limit, [this] {
            for (const LaneState& lane : lanes_) {
                for (const auto& worker : lane.workers) {
                    if (worker->running) {
                        return false;
                    }
                }
            }
            return true;
        });
        if (!ended) {
            return false;
        }
    }
    stop();
    return true;
}

void WorkerPool::stop() {
    drop_waiting();
    for (LaneState& lane : lanes_) {
        for (const auto& worker : lane.workers) {
            if (worker->thread.joinable()) {
                worker->thread.join();
            }
        }
    }
}

}  // namespace berth::loop
