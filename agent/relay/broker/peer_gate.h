#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/relay/broker/app_directory.h"
#include "agent/relay/broker/event_fanout.h"
#include "agent/relay/broker/request_router.h"
#include "agent/relay/peer/peer_host.h"

namespace berth::relay {

// What apps of other agents reach here: the mailboxes of ours, and those who ask or listen. Relay
// thread.
class PeerGate : public PeerHost {
public:
    struct Uses {
        AppDirectory& apps;
        const SessionTable& sessions;
        TurnBatch& turn;
        Intake& intake;
        Delivery& delivery;
        RequestRouter& requests;
        EventFanout& events;
    };

    explicit PeerGate(const Uses& uses) : uses_(uses) {}

    Result<std::uint64_t> deliver(const std::string& agent, const Envelope& envelope) override;
    void withdraw(const std::string& app, std::uint64_t id) override;

    [[nodiscard]] bool app_known(std::string_view app) const override {
        return uses_.apps.is_known(app);
    }

    std::uint64_t draw_correlation() override { return uses_.requests.draw(); }

    void tell(std::uint64_t session, std::span<const std::string_view> parts) override;

    void peer_event(std::string_view agent, const PeerEvent& event) override {
        uses_.events.pass_on(agent, event);
    }

private:
    Uses uses_;
    Name last_from_;  // the sender of the latest message: mostly that of the next one too
};

}  // namespace berth::relay
