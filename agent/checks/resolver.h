#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::checks {

// Looks up names of hosts without holding up the loop: one thread, begun at the first question,
// asks the system one name after the other. Joined at the end, so that may wait for one answer.
class Resolver {
public:
    using Answer = std::function<void(const Result<std::string>& address)>;

    explicit Resolver(loop::EventLoop& loop) : loop_(loop) {}

    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls `answer` in the loop, unless `still_wanted` has expired by then.
    void resolve(const std::string& host, std::weak_ptr<void> still_wanted, Answer answer);

private:
    struct Question {
        std::string host;
        std::weak_ptr<void> still_wanted;
        Answer answer;
    };

    void work();
    void post(Question question, Result<std::string> address);

    loop::EventLoop& loop_;
    std::mutex mutex_;
    std::condition_variable asked_;
    std::list<Question> questions_;  // guarded by mutex_
    bool ending_ = false;            // guarded by mutex_
    std::thread thread_;
};

}  // namespace berth::checks
