#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/apps.h"
#include "agent/control/client.h"
#include "agent/events/stream.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/control.h"

namespace berth::control {

// Those who want to know of every change: a snapshot, then numbered deltas, and a tick each second,
// which proves that we live and carries fresh figures. Owned by the Context. Loop thread.
class Subscriptions {
public:
    // `statuses` gives what is shown of these apps.
    using Statuses = std::function<wire::Value(const std::vector<std::string>& ids)>;

    Subscriptions(loop::EventLoop& loop, apps::Apps& apps, Statuses statuses)
        : loop_(loop), apps_(apps), statuses_(std::move(statuses)) {}

    // From now on it gets deltas; gives the snapshot that they begin from.
    wire::Value::Map add(const Client& client);

    // Something has changed in this turn, and is stored.
    void tell(const events::Changes& changes);

    // The backend hangs, or answers again: told at once.
    void tell_problem() { publish(tick_push()); }

    // This key is not allowed any more.
    void drop(const std::string& key);

private:
    void publish(const wire::Push& push);
    [[nodiscard]] wire::Push tick_push() const;
    void tick();

    loop::EventLoop& loop_;
    apps::Apps& apps_;
    Statuses statuses_;
    std::set<Client> subscribers_;
    std::uint64_t sequence_ = 0;
    std::uint64_t ticks_ = 0;
    loop::Registration tick_;
};

}  // namespace berth::control
