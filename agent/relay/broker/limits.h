#pragma once

#include <cstddef>

#include "agent/relay/box/dedupe_index.h"
#include "agent/relay/box/mailbox.h"
#include "shared/time/clock.h"

namespace berth::relay {

struct RelayLimits {
    MailboxLimits mailbox;
    std::size_t total_bytes = 1U << 30U;
    std::size_t mailboxes = 10'000;
    std::size_t window = 1000;
    Duration redelivery = std::chrono::seconds(30);
    DedupeIndex::Limits dedupe;
    std::size_t pending_requests = 10'000;
    std::size_t waiting_polls = 1000;      // of one mailbox
    std::size_t backlog = 1U << 20U;       // above it, no more is pushed until the peer has read
    std::size_t max_backlog = 32U << 20U;  // above it, a peer that gets events is disconnected
};

}  // namespace berth::relay
