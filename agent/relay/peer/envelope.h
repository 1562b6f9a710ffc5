#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/protocol/requests.h"

// What agents say to each other in the bodies of wire::MailFrame; the controller passes it on
// unread. All of it is read in place, with every length and id checked. Who has sent it is not in
// it: that is the frame's `peer`.
namespace berth::relay {

// Who numbers the envelopes. `epoch` is drawn when a relay.db is made, `life` at each start of an
// agent: the receiver keeps what it has taken by epoch, and gives both back in its receipts, so
// that the next life does not believe those that were meant for the one before.
struct Origin {
    std::string_view epoch;
    std::uint64_t life = 0;
};

enum class EnvelopeKind : std::uint8_t { Notify, Request, Answer };

// One message under way. Within one stream, that is from one app of one epoch to one app, ids rise.
// `before` is the id that was sent before it, 0 for the first one that its sender still has: who
// has not taken `before` yet does not take this one either.
struct Envelope {
    EnvelopeKind kind = EnvelopeKind::Notify;
    std::uint64_t stream = 0;  // the sender's number of the stream; a new one for each attempt
    std::uint64_t id = 0;
    std::uint64_t before = 0;
    std::string_view from;  // an app of the sending agent
    std::string_view to;    // an app of the receiving one
    std::uint64_t time_ms = 0;
    std::uint64_t ttl_ms = 0;  // left; 0: no end
    bool durable = false;
    std::uint64_t correlation = 0;  // of a request, and of the answer to it
    std::string_view payload;       // never empty
};

void begin_envelopes(std::string& out, const Origin& origin);
void append_envelope(std::string& out, const Envelope& envelope);

// What a receiver says of one envelope: Ok: it has it. WrongState: it lacks the one before. Full:
// again later. Anything else: it will not have it.
struct Receipt {
    std::uint64_t stream = 0;
    std::uint64_t id = 0;
    Code code = Code::Ok;
    bool known = false;    // whether there is such an app
    std::string_view why;  // of a refusal
};

void begin_receipts(std::string& out, const Origin& origin);
void append_receipt(std::string& out, const Receipt& receipt);

struct PeerEvent {
    std::uint64_t seq = 0;
    std::string_view type;
    std::string_view from;  // an app of the raising agent
    std::uint64_t time_ms = 0;
    std::optional<std::string_view> payload;
};

void append_event(std::string& out, const PeerEvent& event);

// Nothing: malformed. Views of `body`.
struct Envelopes {
    Origin origin;
    std::vector<Envelope> envelopes;
};

struct Receipts {
    Origin origin;
    std::vector<Receipt> receipts;
};

std::optional<Envelopes> read_envelopes(std::string_view body);
std::optional<Receipts> read_receipts(std::string_view body);
std::optional<std::vector<PeerEvent>> read_events(std::string_view body);

}  // namespace berth::relay
