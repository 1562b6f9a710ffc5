#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/broker/parts.h"
#include "agent/relay/broker/session.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/heap_trimmer.h"

namespace berth::relay {

// The relay: mailboxes, and what apps may do with them. All of it lives in one thread. How a turn
// of it ends, and what is on the disk when, stands at the TurnCommit; mailboxes that got something
// give it at the end of the turn to whoever waits for it.
//
// What can be lost: nothing that was acknowledged. What can come twice: a message that its receiver
// has not acknowledged, with `attempt` counted up; after a crash of the agent every message counts
// as given out before.
//
// It is the face towards the endpoints and the agent; what it does is in its parts and in verbs/.
class Broker {
public:
    static Result<std::unique_ptr<Broker>> create(loop::EventLoop& loop, BrokerOptions options);
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    // Messages from and to apps of other agents.
    [[nodiscard]] PeerExchange& exchange() { return parts_.exchange; }

    // For those who look at it.
    [[nodiscard]] OperatorView& view() { return parts_.view; }

    // --- from the endpoints
    Session& connected(Link& link);

    // The secret of an app ("": of any) may be another now, or none: who is connected with an older
    // one is cut off.
    void secret_changed(const std::string& app);
    void received(Session& session, std::span<const std::string_view> parts);
    void too_large(Session& session, std::string_view header);
    void drained(Session& session);  // its backlog is small again

    // Its peer takes nothing any more: nothing is given to it. What it said before, such as what it
    // gives back as it leaves, is still received; disconnected() is its end.
    void deafened(Session& session);
    void disconnected(Session& session);

    // --- from the agent, posted
    void apps_changed(std::vector<AppFacts> changed, const std::vector<std::string>& removed);

    // Makes `session` the operator's, who speaks for `app` ("" for himself).
    void authorize_operator(Session& session, const std::string& app);

    // Answers those who wait, and everybody from now on, with 503.
    void begin_stop();

private:
    Broker(loop::EventLoop& loop, BrokerOptions options);
    void restore(Stored stored);
    bool end_turn();

    BrokerParts parts_;
    bool stopping_ = false;
    loop::HeapTrimmer trimmer_;
    loop::Registration hook_;
};

}  // namespace berth::relay
