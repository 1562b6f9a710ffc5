#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/time/clock.h"
#include "shared/wire/mail.h"

namespace berth::relay {

// A connection to a controller.
struct PeerLink {
    std::uint64_t number = 0;
    std::string controller;
    std::string name;  // under which it shows us
    MonoTime heard;
    std::uint64_t got = 0;  // bytes
    std::map<std::string, wire::Presence, std::less<>> roster;
    std::uint64_t sent = 0;   // bytes
    std::uint64_t taken = 0;  // of those, by the controller

    [[nodiscard]] bool leads_to(std::string_view agent) const {
        const auto found = roster.find(agent);
        return found != roster.end() && found->second == wire::Presence::Connected;
    }
};

// The links to controllers, by numbers that are never used again, and which agents each leads to.
// The agent's loop owns the connections themselves. Pure but for what is sent. Relay thread.
class PeerLinks {
public:
    using Send = std::function<void(std::uint64_t link, std::string frame)>;
    using Close = std::function<void(std::uint64_t link)>;

    PeerLinks(Send send, Close close) : send_(std::move(send)), close_(std::move(close)) {}

    [[nodiscard]] PeerLink* find(std::uint64_t number) const;

    [[nodiscard]] bool empty() const { return links_.empty(); }

    // In place of one with this number.
    PeerLink& open(std::uint64_t number, const wire::MailHello& hello, MonoTime now);

    // Those to one controller; those that nothing was heard over for too long.
    [[nodiscard]] std::vector<std::uint64_t> of(std::string_view controller) const;
    [[nodiscard]] std::vector<std::uint64_t> silent(MonoTime now) const;

    // False: there is none.
    bool forget(std::uint64_t number) { return links_.erase(number) != 0; }

    // Has its connection closed.
    void close(std::uint64_t number) const { close_(number); }

    // A frame has come over the link.
    static void note_frame(PeerLink& link,
                           std::size_t size,
                           const wire::MailFrame& mail,
                           MonoTime now);

    // What a roster changes; nothing: it is malformed. A whole one makes those it does not name
    // gone.
    static std::optional<wire::Roster> read_roster(const PeerLink& link, std::string_view body);

    static void set_presence(PeerLink& link, const std::string& agent, wire::Presence presence);

    void send(PeerLink& link, wire::MailKind kind, std::string_view peer, std::string_view body);

    // To somebody who has not said hello.
    void ask_who(std::uint64_t number) const;

    // A link to the agent: the one that was used before, as long as it leads there; null: none
    // does.
    [[nodiscard]] PeerLink* route(std::string_view agent, std::uint64_t before) const;

    // "connected", "away" or "unknown".
    [[nodiscard]] std::string_view reach(std::string_view agent) const;

    template <class Use>
    void for_each(Use use) const {
        for (const auto& [number, link] : links_) {
            use(*link);
        }
    }

private:
    Send send_;
    Close close_;
    std::map<std::uint64_t, std::unique_ptr<PeerLink>> links_;
};

}  // namespace berth::relay
