#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/trace.h"
#include "agent/relay/disk/turn_commit.h"
#include "agent/relay/peer/asked_requests.h"
#include "agent/relay/peer/events.h"
#include "agent/relay/peer/incoming.h"
#include "agent/relay/peer/links.h"
#include "agent/relay/peer/outgoing.h"
#include "agent/relay/peer/peer_host.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

// The settings of agent.toml, [ipc]. Patterns are RE2, for whole names of agents.
struct PeerRules {
    std::optional<std::vector<std::string>> accept;        // whose messages; unset: everybody's
    std::optional<std::vector<std::string>> share_events;  // who gets events; unset: everybody
};

// Messages between apps of different agents, this agent's side.
//
// Out: a message is kept, on the disk when it is durable, until the agent it is for has said that
// it has it; it is sent over the link to a controller that is connected to that agent. Whenever
// something may have been lost, all that has no receipt is sent again, in order. In: a message goes
// into the mailbox, and the number of the newest one taken of its stream with it, in one
// transaction; then the receipt is sent. So none is lost and none stored twice, whoever is killed
// when. What is on its way is bounded in bytes, per agent and per link.
//
// It joins the two directions (OutgoingMail, IncomingMail), the events and the links, hears what
// comes over a link, and gives them time. Links are told by number; the agent's loop owns the
// connections. Relay thread.
class PeerExchange : public TurnParticipant {
public:
    struct Options {
        std::string agent;         // our name, as we know it
        OutgoingMail::Limits out;  // of what waits for other agents
        std::size_t pending_requests = 10'000;
        PeerRules rules;
        PeerLinks::Send send;
        PeerLinks::Close close;
    };

    struct Uses {
        loop::EventLoop& loop;
        const RelayClock& clock;
        Trace& trace;
        TurnBatch& turn;
        PeerHost& host;
    };

    PeerExchange(const Uses& uses, const Options& options);

    void restore(Stored& stored);

    // --- from apps of this agent
    // A notify, kept until it has arrived. After outgoing().check_room(). Ids must rise.
    void notify(const PeerAddress& to, const Name& from, Outgoing message, std::uint64_t ttl_ms);

    // The answer, or the error, goes to the asker. After outgoing().check_room(). Error: NotFound:
    // nobody knows the agent; Exhausted: too many requests wait.
    Result<void> request(const PeerAddress& to,
                         const PeerAsker& asker,
                         std::chrono::milliseconds timeout,
                         std::string_view payload);

    // False: no request of another agent to `app` waits for this answer. `to`: whom the app means.
    bool respond(const std::string& app,
                 std::optional<std::string_view> to,
                 std::uint64_t correlation,
                 std::string_view payload);

    // "connected", "away" or "unknown".
    [[nodiscard]] std::string_view reach(const std::string& agent) const {
        return links_.reach(agent);
    }

    [[nodiscard]] OutgoingMail& outgoing() { return out_; }

    [[nodiscard]] PeerEvents& events() { return events_; }

    void session_ended(std::uint64_t session) { asked_.session_ended(session); }

    void begin_stop() { asked_.begin_stop(); }

    // --- links, by their numbers
    void received(std::uint64_t number, std::string_view frame);
    void closed(std::uint64_t number);

    // Sends what is due. True: something was done.
    bool end_turn();

    // --- the disk
    [[nodiscard]] bool waits() const override { return out_.waits() || in_.waits(); }

    void gather(Batch& batch) override;
    void stored(const Batch& batch) override;
    void failed(const Error& error) override;

private:
    void on_hello(std::uint64_t number, const wire::MailFrame& mail);
    void on_roster(PeerLink& link, std::string_view body);
    void set_presence(PeerLink& link, const std::string& agent, wire::Presence presence);
    void on_bounce(PeerLink& link, const wire::MailFrame& mail);
    void send(const PeerAddress& to, const Name& from, Outgoing message, std::uint64_t ttl_ms);
    void tick();
    void keep_ticking();

    Uses uses_;
    std::uint64_t life_;
    std::size_t pending_requests_;
    PeerLinks links_;
    AskedRequests asked_;
    OutgoingMail out_;
    IncomingMail in_;
    PeerEvents events_;
    loop::Registration tick_;
    std::uint64_t ticks_ = 0;
};

}  // namespace berth::relay
