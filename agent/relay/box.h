#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/relay/dead_letters.h"
#include "agent/relay/known_keys.h"
#include "agent/relay/link.h"
#include "agent/relay/mailbox.h"
#include "agent/relay/rate_meter.h"
#include "shared/loop/event_loop.h"

// What the Relay knows of each connection and of each app. Relay thread.
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

struct Box;

// One connection. `box` is that of the app which its hello has proved.
struct Session {
    std::uint64_t number = 0;
    Link* link = nullptr;
    Box* box = nullptr;        // of its app; null before hello
    std::string secret;        // that it has proved to know
    bool is_operator = false;  // the owner of the home: speaks for any app, or for none
    bool subscribed = false;   // messages are pushed
    bool listening = false;    // events are
    bool deaf = false;         // it takes nothing any more; what it said before is still to come
    std::size_t window = 0;    // messages that it has not acknowledged
    std::uint64_t pushed = 0;  // messages, so far
    std::uint64_t alone = 0;   // one of them that nothing is pushed behind; 0: none
    std::vector<std::string> far_events;  // agents whose events it wants; "*": all others
};

// A mailbox and who is interested in it.
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
    std::deque<std::pair<KnownKeys::Fingerprint, std::uint64_t>> keys;  // that it used; when, in ms
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
