#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What an agent and a controller say to each other to carry messages between apps of different
// agents. It goes over a connection of its own to the agent's control endpoint, with the same keys;
// a first byte that no control request can have tells the two apart.
//
//   frame: 'M', version, kind, bytes got (whole), peer (text), body
//
// `peer`: towards the controller, who it is for; from the controller, who has sent it: what the
// controller itself knows of the link it came over, never what a frame claims. `bytes got` is how
// much the sender has taken in over this link since hello: so the other one knows how much is on
// its way. The bodies of envelopes, receipts and events are the agents' own:
// agent/relay/peer/envelope.h.
//
// The controller keeps nothing but what it is sending: whoever is not told that something has
// arrived sends it again.
namespace berth::wire {

inline constexpr std::uint8_t kMailVersion = 1;

// A payload is at most 64 MiB; what is around it, or several small ones, fits in the rest.
inline constexpr std::size_t kMaxMailFrame = 66U << 20U;

enum class MailKind : std::uint8_t {
    Hello = 1,  // controller: its key, and the name under which it shows this agent
    Welcome,    // agent: a number that each of its lives draws anew
    Who,        // agent: say hello first
    Ping,       // controller, each second; an agent that hears none gives the link up
    Pong,       // agent
    Roster,     // controller: agents and whether they are connected
    Listen,     // agent: whose events it wants
    Envelopes,  // messages for apps of `peer`
    Receipts,   // what has become of envelopes of `peer`
    Events,     // for all who listen, or for `peer` alone
    Bounce,     // controller: something for `peer` was not passed on; the body says why
};

struct MailFrame {
    MailKind kind = MailKind::Ping;
    std::uint64_t got = 0;
    std::string_view peer;
    std::string_view body;
};

[[nodiscard]] bool is_mail(std::string_view frame);

// Nothing: it is malformed, or of another version. Views of `frame`.
std::optional<MailFrame> decode_mail(std::string_view frame);

std::string encode_mail(const MailFrame& mail);

struct MailHello {
    std::string controller;
    std::string name;
};

std::string encode_mail_hello(const MailHello& hello);
std::optional<MailHello> decode_mail_hello(std::string_view body);

// How an agent is seen from the controller.
enum class Presence : std::uint8_t { Gone, Away, Connected };

using Roster = std::vector<std::pair<std::string, Presence>>;

// `whole`: agents that are not named are gone.
std::string encode_roster(bool whole, const Roster& roster);
bool decode_roster(std::string_view body, bool& whole, Roster& roster);

// Names; "*" is everybody.
std::string encode_names(const std::vector<std::string>& names);
std::optional<std::vector<std::string>> decode_names(std::string_view body);

// Why something bounced.
enum class BounceReason : std::uint8_t { Away, Unknown, Busy };

}  // namespace berth::wire
