#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace berth::http {

// Threads for the work that blocks: hashing passwords, the database. Its queue is bounded. Started
// by the constructor, joined by stop() or the destructor; what still waits then is dropped.
class WorkerPool {
public:
    using Job = std::function<void()>;

    explicit WorkerPool(std::size_t threads, std::size_t max_waiting = 256);
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // False: the queue is full, or it was stopped; the job will not run. Any thread.
    bool submit(Job job);

    // Ends after the jobs that run now.
    void stop();

private:
    void work();

    std::size_t max_waiting_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;   // guarded by mutex_
    bool stopping_ = false;  // guarded by mutex_
    std::vector<std::thread> threads_;
};

}  // namespace berth::http
