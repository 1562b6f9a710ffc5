#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/relay/box/dead_letters.h"
#include "agent/relay/box/dedupe_index.h"
#include "agent/relay/box/mailbox.h"
#include "agent/relay/box/rate_meter.h"
#include "shared/loop/event_loop.h"

// What the relay knows of each app. Relay thread.
namespace berth::relay {

// A poll that waits for messages.
struct Waiter {
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    std::size_t max = 0;
    bool auto_ack = false;
    bool needs_disk = false;  // it has acknowledged something durable
    loop::Registration timeout;
};

struct Session;

// A mailbox and who is interested in it. A record of all that is known of one app: its many members
// belong to the parts that use them, each of which would else need a map of its own by app.
struct Box {
    Box(std::string app, std::size_t& total) : mail(std::move(app), total), dead(total) {}

    Mailbox mail;
    DeadLetters dead;
    Duration redeliver_after{};      // as the app's descriptor, or the agent, has it
    std::uint32_t max_attempts = 0;  // 0: any number
    std::vector<Session*> subscribers;
    std::deque<std::shared_ptr<Waiter>> waiters;
    std::size_t sessions = 0;
    std::size_t next_subscriber = 0;
    SenderKeys keys;             // that it has used
    bool seen = false;           // somebody has proved to be this app
    std::size_t references = 0;  // messages on their way to the disk, requests without an answer
    std::uint64_t taken = 0;     // acknowledged or answered by the app
    RateMeter in;
    RateMeter out;
    bool touched = false;
    loop::Registration redelivery;
    MonoTime redelivery_at;  // when that is
};

}  // namespace berth::relay
