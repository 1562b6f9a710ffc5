#include "agent/relay/peer/links.h"

#include <algorithm>

namespace berth::relay {

namespace {

using wire::MailKind;
using wire::Presence;

constexpr Duration kSilence = std::chrono::milliseconds(3500);

}  // namespace

PeerLink* PeerLinks::find(std::uint64_t number) const {
    const auto found = links_.find(number);
    return found == links_.end() ? nullptr : found->second.get();
}

PeerLink& PeerLinks::open(std::uint64_t number, const wire::MailHello& hello, MonoTime now) {
    auto link = std::make_unique<PeerLink>();
    link->number = number;
    link->controller = hello.controller;
    link->name = hello.name;
    link->heard = now;
    PeerLink& made = *link;
    links_[number] = std::move(link);
    return made;
}

std::vector<std::uint64_t> PeerLinks::of(std::string_view controller) const {
    std::vector<std::uint64_t> found;
    for (const auto& [number, link] : links_) {
        if (link->controller == controller) {
            found.push_back(number);
        }
    }
    return found;
}

std::vector<std::uint64_t> PeerLinks::silent(MonoTime now) const {
    std::vector<std::uint64_t> found;
    for (const auto& [number, link] : links_) {
        if (now - link->heard > kSilence) {
            found.push_back(number);
        }
    }
    return found;
}

void PeerLinks::note_frame(PeerLink& link,
                           std::size_t size,
                           const wire::MailFrame& mail,
                           MonoTime now) {
    link.heard = now;
    link.got += size;
    link.taken = std::min(std::max(link.taken, mail.got), link.sent);
}

std::optional<wire::Roster> PeerLinks::read_roster(const PeerLink& link, std::string_view body) {
    bool whole = false;
    wire::Roster roster;
    if (!wire::decode_roster(body, whole, roster)) {
        return std::nullopt;
    }
    if (whole) {
        for (const auto& [name, presence] : link.roster) {
            const bool named = std::any_of(roster.begin(), roster.end(), [&name = name](auto& one) {
                return one.first == name;
            });
            if (!named) {
                roster.emplace_back(name, Presence::Gone);
            }
        }
    }
    return roster;
}

void PeerLinks::set_presence(PeerLink& link, const std::string& agent, Presence presence) {
    if (presence == Presence::Gone) {
        link.roster.erase(agent);
    } else {
        link.roster[agent] = presence;
    }
}

void PeerLinks::send(PeerLink& link, MailKind kind, std::string_view peer, std::string_view body) {
    std::string frame = wire::encode_mail({kind, link.got, peer, body});
    link.sent += frame.size();
    send_(link.number, std::move(frame));
}

void PeerLinks::ask_who(std::uint64_t number) const {
    send_(number, wire::encode_mail({MailKind::Who, 0, "", ""}));
}

// Over the same link what was sent stays in order.
PeerLink* PeerLinks::route(std::string_view agent, std::uint64_t before) const {
    if (PeerLink* const link = find(before); link != nullptr && link->leads_to(agent)) {
        return link;
    }
    for (const auto& [number, link] : links_) {
        if (link->leads_to(agent)) {
            return link.get();
        }
    }
    return nullptr;
}

std::string_view PeerLinks::reach(std::string_view agent) const {
    bool away = links_.empty();  // nobody can say
    for (const auto& [number, link] : links_) {
        const auto found = link->roster.find(agent);
        if (found != link->roster.end() && found->second == Presence::Connected) {
            return "connected";
        }
        away = away || found != link->roster.end();
    }
    return away ? "away" : "unknown";
}

}  // namespace berth::relay
