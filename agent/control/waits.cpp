#include "agent/control/waits.h"

#include <utility>

namespace berth::control {

namespace {

constexpr std::size_t kMost = 4096;

}  // namespace

Result<Waits> Waits::create(loop::EventLoop& loop) {
    BERTH_TRY(auto log_watch, logs::LogWatch::create(loop));
    return Waits(loop, std::move(log_watch));
}

bool Waits::full() const {
    return for_log_.size() + for_event_.size() >= kMost;
}

Result<void> Waits::for_log(
    const Client& client, const std::string& folder, Duration longest, bool grown, Again again) {
    const std::uint64_t number = next_++;
    BERTH_TRY(const std::uint64_t watch, log_watch_->wait(folder, [this, number] {
        look_at_log(number, /*last_chance=*/false);
    }));
    ForLog waiting{client, std::move(again), watch, {}};
    waiting.timeout =
        loop_->after(longest, [this, number] { look_at_log(number, /*last_chance=*/true); });
    for_log_.emplace(number, std::move(waiting));
    if (grown) {
        loop_->post([this, number] { look_at_log(number, /*last_chance=*/false); });
    }
    return {};
}

void Waits::look_at_log(std::uint64_t number, bool last_chance) {
    const auto found = for_log_.find(number);
    if (found == for_log_.end()) {
        return;
    }
    const ForLog waiting = std::move(found->second);
    for_log_.erase(found);
    log_watch_->cancel(waiting.watch);
    waiting.again(last_chance);
}

void Waits::for_event(const Client& client, Duration longest, Attempt attempt) {
    const std::uint64_t number = next_++;
    ForEvent waiting{client, std::move(attempt), {}};
    waiting.timeout = loop_->after(longest, [this, number] {
        const auto found = for_event_.find(number);
        if (found != for_event_.end()) {
            const ForEvent over = std::move(found->second);
            for_event_.erase(found);
            (void)over.attempt(/*last_chance=*/true);
        }
    });
    for_event_.emplace(number, std::move(waiting));
}

void Waits::on_happened() {
    std::erase_if(for_event_,
                  [](const auto& entry) { return entry.second.attempt(/*last_chance=*/false); });
}

void Waits::drop(const std::string& key) {
    std::erase_if(for_event_, [&key](const auto& entry) { return entry.second.client.key == key; });
    for (auto entry = for_log_.begin(); entry != for_log_.end();) {
        if (entry->second.client.key == key) {
            log_watch_->cancel(entry->second.watch);
            entry = for_log_.erase(entry);
        } else {
            ++entry;
        }
    }
}

}  // namespace berth::control
