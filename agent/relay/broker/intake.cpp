#include "agent/relay/broker/intake.h"

#include <algorithm>

namespace berth::relay {

namespace {

constexpr std::uint64_t kLongestTtlMs = 366ULL * 24 * 3600 * 1000;

}  // namespace

void Intake::restore(Box& box, Batch::Insert row) {
    stored_ = row.id;
    Message message;
    message.id = row.id;
    message.from = std::move(row.from);
    message.payload = std::move(row.payload);
    message.time_ms = row.time_ms;
    message.attempt = std::max<std::uint32_t>(1, row.failures);
    message.failures = row.failures;
    message.dead_ms = row.dead_ms;
    message.durable = true;
    if (row.dead_ms != 0) {
        return box.dead.add(std::move(message));
    }
    if (row.expires_ms != 0) {
        const std::uint64_t now = uses_.clock.unix_ms();
        const std::uint64_t left = row.expires_ms > now ? row.expires_ms - now : 0;
        message.expires = uses_.clock.mono() + std::chrono::milliseconds(left);
    }
    box.mail.add(std::move(message));
}

Result<void> Intake::check_room(const Box& box, Frames payloads) const {
    const MailboxLimits& most = uses_.limits.mailbox;
    std::size_t bytes = 0;
    for (const std::string_view part : payloads) {
        if (part.empty()) {
            return fail(ErrorCode::InvalidArgument, "a payload frame is empty");
        }
        bytes += part.size();
    }
    if (bytes > most.bytes || payloads.size() > most.messages) {
        return fail(ErrorCode::TooLarge, "larger than a whole mailbox may be");
    }
    if (!box.mail.has_room(payloads.size() + box.dead.count(), bytes + box.dead.bytes(), most)) {
        return fail(ErrorCode::Exhausted, "the mailbox of \"" + *box.mail.app() + "\" is full");
    }
    if (uses_.boxes.total_bytes() + bytes > uses_.limits.total_bytes) {
        return fail(ErrorCode::Exhausted, "the mailboxes of this agent are full");
    }
    return {};
}

void Intake::take(Box& box, Message message, std::uint64_t ttl_ms) {
    ttl_ms = std::min(ttl_ms, kLongestTtlMs);
    if (ttl_ms != 0) {
        message.expires = uses_.clock.mono() + std::chrono::milliseconds(ttl_ms);
    }
    if (message.durable) {
        uses_.turn.batch().inserts.push_back({message.id,
                                              box.mail.app(),
                                              message.from,
                                              message.payload,
                                              message.time_ms,
                                              ttl_ms == 0 ? 0 : uses_.clock.unix_ms() + ttl_ms});
        turn_.added.emplace_back(&box, message.id);
        ++box.references;
    } else {
        uses_.boxes.touch(box);
    }
    note(box, message);
    box.mail.add(std::move(message));
}

void Intake::note(Box& box, const Message& message) {
    const WallTime now = uses_.clock.wall();
    box.in.add(uses_.clock.mono(), 1);
    TraceEntry entry;
    entry.id = message.id;
    entry.from = message.from;
    entry.to = box.mail.app();
    entry.size = message.payload->size();
    entry.accepted = now;
    entry.kind = message.correlation != 0 ? TraceKind::Request : TraceKind::Notify;
    if (!message.durable) {
        entry.stored = now;
        entry.outcome = TraceOutcome::Waiting;
    }
    uses_.trace.begin(std::move(entry));
}

void Intake::remember(Box& sender,
                      const KnownKeys::Fingerprint& key,
                      const UsedKey& used,
                      bool durable) {
    uses_.dedupe.remember(sender.keys, key, used);
    if (!durable) {
        return;
    }
    Batch& batch = uses_.turn.batch();
    batch.add_known(used);
    turn_.keys.push_back(key);
    uses_.dedupe.note_stored(used);
    if (const std::uint64_t below = uses_.dedupe.forget_stored(used.time_ms); below != 0) {
        batch.forget_known_below = below;
    }
}

void Intake::gather(Batch& /*batch*/) {
    in_flight_ = std::exchange(turn_, {});
}

void Intake::stored(const Batch& /*batch*/) {
    const Turn turn = std::exchange(in_flight_, {});
    for (const auto& [box, id] : turn.added) {
        stored_ = std::max(stored_, id);
        uses_.trace.stored(id, uses_.clock.wall());
        --box->references;
        uses_.boxes.touch(*box);
    }
}

void Intake::failed(const Error& /*error*/) {
    take_back(std::exchange(in_flight_, {}));
    take_back(std::exchange(turn_, {}));
}

// Nobody has seen any of it.
void Intake::take_back(const Turn& turn) {
    for (const auto& [box, id] : turn.added) {
        (void)box->mail.remove(id);
        uses_.trace.ended(id, TraceOutcome::Refused, uses_.clock.wall());
        --box->references;
        uses_.boxes.touch(*box);
    }
    for (const KnownKeys::Fingerprint& key : turn.keys) {
        uses_.dedupe.forget(key);
    }
}

}  // namespace berth::relay
