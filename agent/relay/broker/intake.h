#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/relay/box/box_table.h"
#include "agent/relay/box/dedupe_index.h"
#include "agent/relay/box/relay_clock.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/broker/limits.h"
#include "agent/relay/broker/replies.h"
#include "agent/relay/disk/turn_commit.h"

namespace berth::relay {

// Takes messages into mailboxes, and what is durable onto the disk, with the dedupe keys that were
// used for it. A durable message is not given out before it is stored; when the disk refuses it, it
// is taken back. Relay thread.
class Intake : public TurnParticipant {
public:
    struct Uses {
        const RelayClock& clock;
        const RelayLimits& limits;
        BoxTable& boxes;
        DedupeIndex& dedupe;
        Trace& trace;
        TurnBatch& turn;
    };

    explicit Intake(const Uses& uses) : uses_(uses) {}

    // What a start finds on the disk. Everything counts as given out before: whether it was, nobody
    // knows after a crash.
    void restore(Box& box, Batch::Insert row);

    // Error: InvalidArgument: one of them is empty; TooLarge: no mailbox could have them;
    // Exhausted: this one, or all together, are full.
    [[nodiscard]] Result<void> check_room(const Box& box, Frames payloads) const;

    // Into the mailbox, and onto the disk when it is durable. After check_room(); ids rise.
    // `ttl_ms`: how long it is worth something, at most a year; 0: always.
    void take(Box& box, Message message, std::uint64_t ttl_ms);

    // `sender` has used a key for messages that were taken, `durable` or not.
    void remember(Box& sender,
                  const KnownKeys::Fingerprint& key,
                  const UsedKey& used,
                  bool durable);

    // Whether a durable message with this id is on the disk; stored(): ids up to this one are.
    [[nodiscard]] bool on_disk(std::uint64_t id) const { return id <= stored_; }

    [[nodiscard]] std::uint64_t stored_id() const { return stored_; }

    [[nodiscard]] bool waits() const override { return !turn_.added.empty(); }

    void gather(Batch& batch) override;
    void stored(const Batch& batch) override;
    void failed(const Error& error) override;

private:
    // What a batch has of ours.
    struct Turn {
        std::vector<std::pair<Box*, std::uint64_t>> added;
        std::vector<KnownKeys::Fingerprint> keys;
    };

    void take_back(const Turn& turn);
    void note(Box& box, const Message& message);

    Uses uses_;
    std::uint64_t stored_ = 0;
    Turn turn_;
    Turn in_flight_;
};

}  // namespace berth::relay
