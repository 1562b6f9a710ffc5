#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/control/client.h"
#include "agent/logs/log_watch.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/control.h"

namespace berth::control {

// Requests whose answer waits for something to happen: a line in a log, an event. Each is tried
// again when it has, and for the last time when its time is over. Owned by the Context. Loop
// thread.
class Waits {
public:
    static Result<Waits> create(loop::EventLoop& loop);

    // No more can wait: they are answered at once.
    [[nodiscard]] bool full() const;

    // Calls `again` once, when the log in `folder` has grown, or its time is over: then for the
    // last time. `grown`: it has already, since the request looked. Error: it cannot be watched.
    using Again = std::function<void(bool last_chance)>;
    Result<void> for_log(
        const Client& client, const std::string& folder, Duration longest, bool grown, Again again);

    // Calls `attempt` when something has happened to an app, until it gives true: that it has
    // answered. With `last_chance` it is to do so whatever there is.
    using Attempt = std::function<bool(bool last_chance)>;
    void for_event(const Client& client, Duration longest, Attempt attempt);

    // Something has happened in this turn, and is stored.
    void on_happened();

    // This key is not allowed any more.
    void drop(const std::string& key);

private:
    struct ForLog {
        Client client;
        Again again;
        std::uint64_t watch = 0;
        loop::Registration timeout;
    };

    struct ForEvent {
        Client client;
        Attempt attempt;
        loop::Registration timeout;
    };

    Waits(loop::EventLoop& loop, std::unique_ptr<logs::LogWatch> log_watch)
        : loop_(&loop), log_watch_(std::move(log_watch)) {}

    void look_at_log(std::uint64_t number, bool last_chance);

    loop::EventLoop* loop_;
    std::unique_ptr<logs::LogWatch> log_watch_;
    std::map<std::uint64_t, ForLog> for_log_;
    std::map<std::uint64_t, ForEvent> for_event_;
    std::uint64_t next_ = 1;
};

}  // namespace berth::control
