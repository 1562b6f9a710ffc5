#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/relay_clock.h"
#include "agent/relay/box/rights.h"
#include "agent/relay/disk/turn_commit.h"
#include "agent/relay/peer/asked_requests.h"
#include "agent/relay/peer/envelope.h"
#include "agent/relay/peer/links.h"
#include "agent/relay/peer/peer_host.h"
#include "agent/relay/peer/stream_cursor.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

// A request of another agent's app that one of ours answers.
struct PeerRequest {
    PeerAddress asker;
    std::string app;                // ours
    std::uint64_t correlation = 0;  // the asker's
    std::uint64_t message = 0;      // as which it is in the mailbox
    loop::Registration timeout;
};

// Messages that come from other agents. Each goes into the mailbox, and the number of the newest
// one taken of its stream with it, in one transaction; then its sender gets the receipt. What comes
// again is known by that number. Belongs to the PeerExchange. Relay thread.
class IncomingMail {
public:
    struct Options {
        std::string agent;  // our name
        std::size_t pending_requests = 10'000;
        std::optional<std::vector<std::string>> accept;  // patterns; unset: everybody's
    };

    struct Uses {
        loop::EventLoop& loop;
        const RelayClock& clock;
        TurnBatch& turn;
        PeerHost& host;
        PeerLinks& links;
        AskedRequests& asked;
    };

    IncomingMail(const Uses& uses, Options options);

    void restore(const std::vector<Batch::Cursor>& cursors);

    void received(const PeerLink& link, std::string_view agent, std::string_view envelopes);

    // Takes the request out that `app` answers. Nothing: none to it waits for that. `to`: whom the
    // app means.
    std::optional<PeerRequest> take_request(const std::string& app,
                                            std::optional<std::string_view> to,
                                            std::uint64_t correlation);

    // What its receipts would go over.
    void link_closed(std::uint64_t link);

    // Sends the receipts that are due. False: none was.
    bool end_turn();

    // Streams that were not used for long are forgotten, when there are too many.
    void forget_old();

    // --- the disk, see TurnParticipant
    [[nodiscard]] bool waits() const { return !turn_.empty(); }

    void gather(Batch& batch);
    void stored();

    // What was taken is taken back, and its sender told to try again later.
    void failed();

private:
    // Whose envelopes these are.
    struct Sender {
        std::uint64_t link = 0;
        std::string agent;
        std::string epoch;
        std::uint64_t life = 0;

        friend auto operator<=>(const Sender&, const Sender&) = default;
    };

    // A receipt that waits for the disk.
    struct Due {
        std::shared_ptr<const Sender> sender;
        StreamCursor* cursor = nullptr;
        std::uint64_t number = 0;  // the sender's, of the stream
        std::uint64_t id = 0;
        bool taken = false;  // by this turn; else it was taken before
    };

    void on_envelope(const std::shared_ptr<const Sender>& sender, const Envelope& envelope);
    std::optional<Error> take(const Sender& sender, const Envelope& envelope);
    Result<std::uint64_t> deliver_request(const Sender& sender, const Envelope& envelope);
    StreamCursor& cursor_of(const Sender& sender, const Envelope& envelope);
    void say(const Sender& sender, const Receipt& receipt);

    Uses uses_;
    Options options_;
    Rights rules_;
    StreamCursors cursors_;
    StreamCursor* last_cursor_ = nullptr;
    std::vector<StreamCursor*> dirty_;
    std::map<std::uint64_t, PeerRequest> requests_;  // by our correlation
    std::vector<Due> turn_;
    std::vector<Due> in_flight_;
    std::map<Sender, std::string> replies_;  // receipts to be sent at the turn's end
};

}  // namespace berth::relay
