#include "controller/fleet/mail_router.h"

#include <algorithm>

#include "shared/wire/append.h"

namespace berth::fleet {

namespace {

using wire::BounceReason;
using wire::MailKind;
using wire::Presence;

Presence presence_of(const MailLink& link) {
    return link.open() ? Presence::Connected : Presence::Away;
}

}  // namespace

MailRouter::MailRouter(loop::EventLoop& loop, std::string key, Fleet::Connector connector)
    : loop_(loop), key_(std::move(key)), connector_(std::move(connector)) {}

MailRouter::~MailRouter() = default;

void MailRouter::set(const std::vector<AgentTarget>& targets) {
    wire::Roster gone;
    std::erase_if(members_, [&](const auto& entry) {
        const bool stays =
            std::find(targets.begin(), targets.end(), entry.second.target) != targets.end();
        if (!stays) {
            gone.emplace_back(entry.first, Presence::Gone);
        }
        return !stays;
    });
    if (!gone.empty()) {
        tell_all(gone, "");
    }
    for (const AgentTarget& target : targets) {
        if (members_.count(target.name) == 0) {
            add(target);
        }
    }
}

void MailRouter::add(const AgentTarget& target) {
    const std::string name = target.name;
    Member& member = members_[name];
    member.target = target;
    member.link = std::make_unique<MailLink>(
        loop_,
        [this, target](Received received) { return connector_(target, std::move(received)); },
        wire::MailHello{key_, name},
        MailLink::Listener{[this, name](bool open) { changed(name, open); },
                           [this, name](const wire::MailFrame& mail) { pass(name, mail); }});
    tell_all({{name, Presence::Away}}, name);
    member.link->start();
}

wire::Roster MailRouter::roster() const {
    wire::Roster all;
    for (const auto& [name, member] : members_) {
        all.emplace_back(name, presence_of(*member.link));
    }
    return all;
}

void MailRouter::changed(const std::string& name, bool open) {
    tell_all({{name, open ? Presence::Connected : Presence::Away}}, name);
    if (open) {
        // Should it not fit, it is full, and silent soon.
        (void)members_[name].link->send(MailKind::Roster, "", wire::encode_roster(true, roster()));
    }
}

void MailRouter::tell_all(const wire::Roster& news, const std::string& except) {
    const std::string body = wire::encode_roster(false, news);
    for (auto& [name, member] : members_) {
        if (name != except && member.link) {
            (void)member.link->send(MailKind::Roster, "", body);
        }
    }
}

void MailRouter::pass(const std::string& from, const wire::MailFrame& mail) {
    if (mail.kind == MailKind::Events) {
        return pass_events(from, mail);
    }
    if (mail.kind != MailKind::Envelopes && mail.kind != MailKind::Receipts) {
        return;  // what only a controller says
    }
    const auto to = members_.find(mail.peer);
    const bool known = to != members_.end();
    const bool passed = known && to->second.link->send(mail.kind, from, mail.body);
    if (!passed && mail.kind == MailKind::Envelopes) {
        const bool open = known && to->second.link->open();
        bounce(from,
               mail.peer,
               open    ? BounceReason::Busy
               : known ? BounceReason::Away
                       : BounceReason::Unknown);
    }
}

// For those who listen, as far as they keep up.
void MailRouter::pass_events(const std::string& from, const wire::MailFrame& mail) {
    for (auto& [name, member] : members_) {
        if (name != from && (mail.peer.empty() || mail.peer == name) &&
            member.link->listens_to(from)) {
            (void)member.link->send(mail.kind, from, mail.body);
        }
    }
}

void MailRouter::bounce(const std::string& from, std::string_view to, BounceReason reason) {
    std::string body;
    wire::append_whole(body, static_cast<std::uint64_t>(reason));
    (void)members_[from].link->send(MailKind::Bounce, to, body);
}

}  // namespace berth::fleet
