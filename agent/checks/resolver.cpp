#include "agent/checks/resolver.h"

#include "shared/os/socket.h"
#include "shared/os/thread.h"

namespace berth::checks {

Resolver::~Resolver() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        questions_.clear();
    }
    asked_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Resolver::resolve(const std::string& host, std::weak_ptr<void> still_wanted, Answer answer) {
    if (!thread_.joinable()) {
        auto thread = os::start_thread([this] { work(); });
        if (!thread) {
            return post({host, std::move(still_wanted), std::move(answer)}, fail(thread.error()));
        }
        thread_ = std::move(*thread);
    }
    {
        const std::lock_guard lock(mutex_);
        questions_.push_back({host, std::move(still_wanted), std::move(answer)});
    }
    asked_.notify_one();
}

void Resolver::work() {
    for (;;) {
        Question question;
        {
            std::unique_lock lock(mutex_);
            asked_.wait(lock, [this] { return ending_ || !questions_.empty(); });
            if (ending_) {
                return;
            }
            question = std::move(questions_.front());
            questions_.pop_front();
        }
        auto address = os::resolve_host(question.host);
        post(std::move(question), std::move(address));
    }
}

void Resolver::post(Question question, Result<std::string> address) {
    loop_.post([question = std::move(question), address = std::move(address)] {
        if (const auto alive = question.still_wanted.lock()) {
            question.answer(address);
        }
    });
}

}  // namespace berth::checks
