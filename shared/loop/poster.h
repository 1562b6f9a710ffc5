#pragma once

#include <memory>
#include <utility>

#include "shared/base/guarded.h"
#include "shared/loop/event_loop.h"

namespace berth::loop {

// A loop's post() for those who may outlive it: after close() jobs are dropped. Any thread.
class Poster {
public:
    explicit Poster(EventLoop& loop) : loop_(std::in_place, &loop) {}

    // False: the loop has ended, the job will not run.
    bool post(EventLoop::Callback job) {
        return loop_.with([&job](EventLoop* loop) {
            if (loop == nullptr) {
                return false;
            }
            loop->post(std::move(job));
            return true;
        });
    }

    // Before the loop is destroyed.
    void close() {
        loop_.with([](EventLoop*& loop) { loop = nullptr; });
    }

private:
    Guarded<EventLoop*> loop_;
};

using PosterPtr = std::shared_ptr<Poster>;

}  // namespace berth::loop
