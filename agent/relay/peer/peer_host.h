#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/relay/peer/envelope.h"
#include "shared/base/result.h"

namespace berth::relay {

// An app of another agent.
struct PeerAddress {
    std::string agent;
    std::string app;
};

// What the broker does for messages that come from, or go to, apps of other agents.
class PeerHost {
public:
    PeerHost() = default;
    PeerHost(const PeerHost&) = delete;
    PeerHost& operator=(const PeerHost&) = delete;
    virtual ~PeerHost() = default;

    // A message of an app of `agent` into the mailbox of ours, as part of this turn; gives its id.
    // Of the envelope count `from`, `to`, the times, `durable`, the payload, and `correlation` as
    // one of draw_correlation(). Error: as for a notify from here.
    virtual Result<std::uint64_t> deliver(const std::string& agent, const Envelope& envelope) = 0;

    // Takes a request that is answered out of the mailbox again.
    virtual void withdraw(const std::string& app, std::uint64_t id) = 0;

    [[nodiscard]] virtual bool app_known(std::string_view app) const = 0;
    virtual std::uint64_t draw_correlation() = 0;

    // To a client, when it is still there.
    virtual void tell(std::uint64_t session, std::span<const std::string_view> parts) = 0;

    // To those clients that want events of this agent.
    virtual void peer_event(std::string_view agent, const PeerEvent& event) = 0;
};

}  // namespace berth::relay
