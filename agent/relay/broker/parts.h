#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/relay/box/box_table.h"
#include "agent/relay/box/dedupe_index.h"
#include "agent/relay/box/relay_clock.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/broker/agent_port.h"
#include "agent/relay/broker/app_directory.h"
#include "agent/relay/broker/delivery.h"
#include "agent/relay/broker/event_fanout.h"
#include "agent/relay/broker/intake.h"
#include "agent/relay/broker/limits.h"
#include "agent/relay/broker/operator_view.h"
#include "agent/relay/broker/peer_gate.h"
#include "agent/relay/broker/replies.h"
#include "agent/relay/broker/request_router.h"
#include "agent/relay/broker/session_table.h"
#include "agent/relay/disk/turn_commit.h"
#include "agent/relay/peer/exchange.h"

namespace berth::relay {

struct BrokerOptions {
    RelayLimits limits;
    Journal::Options journal;
    AgentPort port;
    std::function<Result<std::string>(const std::string& app)> secret_of;
    PeerRules rules;
    // Over the link to a controller, by number; what comes over one goes to the exchange.
    PeerLinks::Send mail_send;
    PeerLinks::Close mail_close;
};

// What a broker is made of, for its verbs. It has a member for each part, in the order in which
// they need each other. Belongs to the Broker. Relay thread.
struct BrokerParts {
    BrokerParts(loop::EventLoop& loop, BrokerOptions options_in);

    // What is pushed to a session that has said hello. Nothing is to one that takes nothing.
    void subscribe(Session& session, bool messages, bool events);

    // The agents whose events it wants; "*": all others.
    void want_peer_events(Session& session, std::vector<std::string> agents);

    const BrokerOptions options;
    const RelayClock clock;
    Trace trace;
    DedupeIndex dedupe;
    BoxTable boxes;
    SessionTable sessions;
    AppDirectory apps;
    TurnCommit turn;
    Replies replies;
    Intake intake;
    Delivery delivery;
    RequestRouter requests;
    EventFanout events;
    PeerGate gate;
    PeerExchange exchange;
    OperatorView view;
    std::string key;  // known_key() of the present request, if it has one
};

}  // namespace berth::relay
