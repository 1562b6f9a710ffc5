#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/relay_clock.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/broker/replies.h"
#include "agent/relay/broker/session.h"
#include "agent/relay/disk/turn_commit.h"
#include "agent/relay/peer/envelope.h"

namespace berth::relay {

// Tells events to those who listen. Nothing is dropped in silence: who does not read loses the
// connection, and sees that. Relay thread.
class EventFanout {
public:
    struct Uses {
        const RelayClock& clock;
        Trace& trace;
        TurnBatch& turn;
    };

    // `agent`: our name. `max_backlog`: bytes that a listener has not read.
    EventFanout(const Uses& uses, std::string agent, std::size_t max_backlog)
        : uses_(uses), agent_(std::move(agent)), max_backlog_(max_backlog) {}

    // Whether this session is told of events; before it ends, not any more.
    void listen(Session& session, bool wanted);

    // To all listeners but the raiser's own. Gives the event as other agents are told of it; views
    // of what was given.
    PeerEvent raise(const Session& raiser, std::string_view type, Frames payload);

    // An event of another agent, to those who want that agent's.
    void pass_on(std::string_view agent, const PeerEvent& event);

private:
    void push(Frames parts, const std::function<bool(const Session&)>& wanted);
    void note(const Name& from, std::string_view type, std::size_t size);

    Uses uses_;
    std::string agent_;
    std::size_t max_backlog_;
    std::vector<Session*> listeners_;
    std::uint64_t next_seq_ = 1;
};

}  // namespace berth::relay
