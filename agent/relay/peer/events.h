#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/relay/box/rights.h"
#include "agent/relay/peer/envelope.h"
#include "agent/relay/peer/links.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

// Events between agents, this agent's side: which of other agents are wanted here, and those of
// ours for others. Events are no messages: what a controller does not take in time is dropped. Few
// large frames go out rather than many small ones, as a socket's queue counts frames. Relay thread.
class PeerEvents {
public:
    // `share`: patterns of agents who get ours; unset: everybody.
    PeerEvents(loop::EventLoop& loop,
               PeerLinks& links,
               const std::optional<std::vector<std::string>>& share);

    // Somebody wants events of these agents ("*": of all), or not any more.
    void listen(const std::vector<std::string>& agents);
    void unlisten(const std::vector<std::string>& agents);

    void link_opened(std::uint64_t link);

    void link_closed(std::uint64_t link) { queues_.erase(link); }

    // One of ours, to all who may have it.
    void raise(const PeerEvent& event);

    // Sends what is due.
    void end_turn();

private:
    // What waits for one link.
    struct Queue {
        std::map<std::string, std::string> bodies;  // by receiver; "": all who listen
        std::size_t bytes = 0;
        MonoTime next;  // none are sent before
        bool lost = false;
    };

    void gather(PeerLink& link, const std::string& receiver, const PeerEvent& event);
    void send_wanted();

    loop::EventLoop& loop_;
    PeerLinks& links_;
    bool share_with_all_;
    Rights rules_;
    std::map<std::string, std::size_t> wanted_;
    std::map<std::uint64_t, Queue> queues_;  // by link
    loop::Registration later_;
};

}  // namespace berth::relay
