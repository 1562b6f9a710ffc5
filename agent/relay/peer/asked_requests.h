#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "agent/relay/box/mailbox.h"
#include "agent/relay/peer/envelope.h"
#include "agent/relay/peer/peer_host.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

// Who asks an app of another agent.
struct PeerAsker {
    std::uint64_t session = 0;
    std::uint64_t request = 0;
    Name app;
};

// Requests of ours that wait for the answer of another agent's app, by correlation. Each ends once:
// its asker is told the answer, or why there is none. Relay thread.
class AskedRequests {
public:
    AskedRequests(loop::EventLoop& loop, PeerHost& host) : loop_(loop), host_(host) {}

    [[nodiscard]] std::size_t size() const { return asked_.size(); }

    void add(std::uint64_t correlation,
             const PeerAddress& to,
             const PeerAsker& asker,
             Duration timeout);

    // An app of `agent` answers. Only from whom the request went to; else it is too late, or not
    // meant for us.
    void answered(std::string_view agent, const Envelope& answer);

    // Ends it without an answer, if it waits.
    void end(std::uint64_t correlation, Code code, std::string_view why);

    void session_ended(std::uint64_t session);
    void begin_stop();

private:
    struct Asked {
        PeerAsker asker;
        PeerAddress to;
        loop::Registration timeout;
    };

    loop::EventLoop& loop_;
    PeerHost& host_;
    std::map<std::uint64_t, Asked> asked_;
};

}  // namespace berth::relay
