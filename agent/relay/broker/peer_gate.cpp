#include "agent/relay/broker/peer_gate.h"

namespace berth::relay {

Result<std::uint64_t> PeerGate::deliver(const std::string& agent, const Envelope& envelope) {
    BERTH_TRY(Box* const box, uses_.apps.box(envelope.to));
    BERTH_CHECK(uses_.intake.check_room(*box, {&envelope.payload, 1}));
    std::string from = agent + '/' + std::string(envelope.from);
    if (last_from_ == nullptr || *last_from_ != from) {
        last_from_ = std::make_shared<const std::string>(std::move(from));
    }
    Message message;
    message.id = uses_.turn.take_ids(1);
    message.from = last_from_;
    message.payload = std::make_shared<const std::string>(envelope.payload);
    message.time_ms = envelope.time_ms;
    message.correlation = envelope.correlation;
    message.durable = envelope.durable;
    const std::uint64_t id = message.id;
    uses_.intake.take(*box, std::move(message), envelope.ttl_ms);
    return id;
}

void PeerGate::withdraw(const std::string& app, std::uint64_t id) {
    if (Box* const box = uses_.apps.find_box(app)) {
        (void)uses_.delivery.take_away(*box, id, TraceOutcome::Answered);
    }
}

void PeerGate::tell(std::uint64_t session, std::span<const std::string_view> parts) {
    if (Session* const asker = uses_.sessions.find(session)) {
        asker->link->send(parts);
    }
}

}  // namespace berth::relay
