#include "agent/control/subscriptions.h"

#include <utility>

#include "shared/base/text.h"
#include "shared/wire/status.h"

namespace berth::control {

using wire::Value;

namespace {

constexpr Duration kTick = std::chrono::seconds(1);
constexpr std::uint64_t kTicksPerSample = 2;
constexpr Duration kFreshSample = std::chrono::milliseconds(900);

}  // namespace

Value::Map Subscriptions::add(const Client& client) {
    apps_.figures().sample(kFreshSample);
    subscribers_.insert(client);
    apps_.figures().watch(true);
    if (!tick_.active()) {
        tick_ = loop_.after(kTick, [this] { tick(); });
    }
    return {{"seq", sequence_},
            {"time", wire::to_value(loop_.now().wall)},
            {"connection", to_hex(client.route)},
            {"apps", statuses_(apps_.table().ids())}};
}

void Subscriptions::tell(const events::Changes& changes) {
    if (!subscribers_.empty()) {
        ++sequence_;
        publish({"delta",
                 Value::Map{{"seq", sequence_},
                            {"apps", statuses_({changes.changed.begin(), changes.changed.end()})},
                            {"removed",
                             wire::strings({changes.removed.begin(), changes.removed.end()})}}});
    }
}

void Subscriptions::drop(const std::string& key) {
    std::erase_if(subscribers_, [&key](const Client& client) { return client.key == key; });
}

wire::Push Subscriptions::tick_push() const {
    return {"tick",
            Value::Map{{"seq", sequence_},
                       {"time", wire::to_value(loop_.now().wall)},
                       {"problem", apps_.backend().problem()},
                       {"complaints", wire::strings(apps_.complaints())}}};
}

// A subscriber that has gone, or does not read, is dropped; it notices the gap and subscribes
// again.
void Subscriptions::publish(const wire::Push& push) {
    const std::string frame = wire::encode_push(push);
    std::erase_if(subscribers_, [&frame](const Client& client) {
        return !client.sink->send(client.route, frame);
    });
}

void Subscriptions::tick() {
    if (++ticks_ % kTicksPerSample == 0) {
        apps_.figures().sample(kFreshSample);
        const auto updated = apps_.figures().untold();
        if (!updated.empty()) {
            ++sequence_;
            publish({"delta",
                     Value::Map{{"seq", sequence_},
                                {"apps", statuses_({updated.begin(), updated.end()})}}});
        }
    }
    publish(tick_push());
    if (subscribers_.empty()) {
        apps_.figures().watch(false);
        tick_.reset();
    } else {
        tick_ = loop_.after(kTick, [this] { tick(); });
    }
}

}  // namespace berth::control
