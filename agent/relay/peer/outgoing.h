#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/mailbox.h"
#include "agent/relay/box/relay_clock.h"
#include "agent/relay/disk/turn_commit.h"
#include "agent/relay/peer/asked_requests.h"
#include "agent/relay/peer/envelope.h"
#include "agent/relay/peer/links.h"
#include "agent/relay/peer/outbox.h"
#include "agent/relay/peer/peer_host.h"

namespace berth::relay {

// What waits for one other agent, for those who look at it.
struct OutboxStats {
    std::string agent;
    std::string state;  // connected | away | unknown
    std::size_t count = 0;
    std::size_t bytes = 0;
    std::size_t in_flight = 0;               // bytes on their way
    std::optional<std::uint64_t> oldest_ms;  // Unix time
    std::uint64_t refused = 0;               // since the agent's start
    std::string error;                       // the last one
};

// Messages for apps of other agents, until those agents have them. What was sent and has no receipt
// is sent again, in order, whenever something may have been lost. What is on its way is bounded in
// bytes, per agent and per link. Belongs to the PeerExchange. Relay thread.
class OutgoingMail {
public:
    struct Limits {
        MailboxLimits box;  // of all that waits for one agent
        std::size_t total_bytes = 1U << 30U;
    };

    struct Uses {
        const RelayClock& clock;
        TurnBatch& turn;
        PeerLinks& links;
        AskedRequests& asked;
    };

    OutgoingMail(const Uses& uses, const Limits& limits) : uses_(uses), limits_(limits) {}

    // `epoch`, `life`: who numbers our envelopes, see Origin.
    void restore(std::string epoch, std::uint64_t life, std::vector<Batch::Outgoing>& rows);

    // Error: Exhausted, or TooLarge, as for a mailbox.
    Result<void> check_room(const std::string& agent, std::size_t messages, std::size_t bytes);

    // Keeps it until it has arrived. After check_room(). Ids must rise. Its times are set here;
    // `ttl_ms` 0: it does not expire. Whether it is the only one that waits for that agent.
    bool send(const PeerAddress& to, const Name& from, Outgoing message, std::uint64_t ttl_ms);

    // What the other side has told of the app.
    [[nodiscard]] std::optional<bool> known(const PeerAddress& to) const;

    // Whether a durable message with this id has been stored.
    [[nodiscard]] bool on_disk(std::uint64_t id) const { return id <= stored_; }

    // --- what is heard
    void received(std::string_view agent, std::string_view receipts);

    // What was sent to an agent before it went away may be lost. Whether something of ours is for
    // an agent that can be reached now.
    bool presence_changed(std::uint64_t link, std::string_view agent, wire::Presence presence);

    // The controller has not passed something on, although the agent is there.
    void bounced(std::uint64_t link, std::string_view agent);
    void link_closed(std::uint64_t link);

    // --- time
    // Sends what is due. False: nothing was.
    bool end_turn();

    // Whether there is something to send, and to somebody who can be reached.
    [[nodiscard]] bool waits_for_somebody() const;
    [[nodiscard]] bool is_busy() const;

    // Every tenth of a second at best; `sweep`: what has expired is looked for too.
    void tick(bool sweep);

    // --- the disk, see TurnParticipant
    [[nodiscard]] bool waits() const { return !turn_.empty(); }

    void gather();
    void stored();
    void failed();

    // --- for people
    [[nodiscard]] std::vector<OutboxStats> stats() const;

    // Gives up what waits for an agent; how many that were.
    std::size_t drop(const std::string& agent);

private:
    // One other agent.
    struct Peer {
        Peer(std::string agent, std::size_t& total, std::uint64_t& numbers)
            : mail(std::move(agent), total, numbers) {}

        // Everything is sent again, over whichever link leads there.
        void rewind();

        // Something did not get through although the way is there: again, a bit later.
        void set_back(MonoTime now);

        OutBox mail;
        std::uint64_t link = 0;  // what was sent last went over it; 0: nothing was
        MonoTime progress;       // the last receipt, or when the first of what has none was sent
        MonoTime busy_until;
        std::uint32_t setbacks = 0;  // in a row
        std::size_t frames = 0;      // sent since the last receipt
        std::map<std::string, bool, std::less<>> known;
        std::uint64_t refused = 0;
        std::string error;
    };

    // A durable message that this turn has added.
    struct Added {
        std::string agent;
        Name from;
        std::string to;
        std::uint64_t id = 0;
    };

    Peer& need(const std::string& agent);
    Peer* find(std::string_view agent);
    void send_to(Peer& peer, PeerLink& link, std::size_t& in_flight);
    void on_receipt(Peer& peer, const Receipt& receipt);
    void on_refused(Peer& peer, const Receipt& receipt);

    Uses uses_;
    Limits limits_;
    std::string epoch_;
    std::uint64_t life_ = 0;
    std::map<std::string, std::unique_ptr<Peer>, std::less<>> peers_;
    std::size_t total_ = 0;
    std::uint64_t numbers_ = 0;
    std::uint64_t stored_ = 0;  // durable messages up to it are on the disk
    std::vector<Added> turn_;
    std::vector<Added> in_flight_;
    bool due_ = false;  // something may be
};

}  // namespace berth::relay
