#include "agent/checks/resolver.h"

#include "shared/os/socket.h"

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
    {
        const std::lock_guard lock(mutex_);
        questions_.push_back({host, std::move(still_wanted), std::move(answer)});
    }
    asked_.notify_one();
    if (!thread_.joinable()) {
        thread_ = std::thread([this] { work(); });
    }
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
        auto address = std::make_shared<Result<std::string>>(os::resolve_host(question.host));
        loop_.post([wanted = std::move(question.still_wanted),
                    answer = std::move(question.answer),
                    address = std::move(address)] {
            if (const auto alive = wanted.lock()) {
                answer(*address);
            }
        });
    }
}

}  // namespace berth::checks
