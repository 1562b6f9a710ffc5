#include "agent/relay/peer/exchange.h"

#include <sys/random.h>

#include <algorithm>

#include "shared/base/ensure.h"
#include "shared/log/log.h"
#include "shared/wire/append.h"
#include "shared/wire/cursor.h"

// The part of PeerExchange that knows the links, and what both directions share.
namespace berth::relay {

namespace {

using wire::MailKind;
using wire::Presence;

constexpr Duration kSilence = std::chrono::milliseconds(3500);
constexpr Duration kIdleTick = std::chrono::seconds(1);
constexpr Duration kBusyTick = std::chrono::milliseconds(100);
constexpr std::uint64_t kTicksPerSweep = 20;

std::uint64_t draw_life() {
    std::uint64_t life = 0;
    ENSURE(::getrandom(&life, sizeof life, 0) == sizeof life, "the system gives random bytes");
    return life >> 2U | 1U;
}

}  // namespace

PeerExchange::PeerExchange(loop::EventLoop& loop, PeerHost& host, Options options)
    : loop_(loop), host_(host), options_(std::move(options)), life_(draw_life()) {
    rules_.set("accept", Rights::Kind::Notify, options_.rules.accept);
    rules_.set("share", Rights::Kind::Notify, options_.rules.share_events);
}

PeerExchange::~PeerExchange() = default;

void PeerExchange::restore(Stored& stored) {
    epoch_ = stored.epoch;
    for (const Batch::Cursor& row : stored.cursors) {
        cursors_.restore(row);
    }
    const std::uint64_t now = host_.wall_ms();
    for (Batch::Outgoing& row : stored.outgoing) {
        Outgoing message;
        message.id = row.id;
        message.payload = std::move(row.payload);
        message.time_ms = row.time_ms;
        message.durable = true;
        if (row.expires_ms != 0) {
            message.expires =
                loop_.now().mono +
                std::chrono::milliseconds(row.expires_ms - std::min(row.expires_ms, now));
        }
        stored_ = row.id;
        Box& box = need_box(row.agent);
        box.mail.add(row.from, row.to, std::move(message));
        box.mail.wake(*row.from, *row.to);
    }
    keep_ticking();
}

// --- links

PeerExchange::Link* PeerExchange::find_link(std::uint64_t number) {
    const auto found = links_.find(number);
    return found == links_.end() ? nullptr : found->second.get();
}

void PeerExchange::received(std::uint64_t number, std::string_view frame) {
    const auto mail = wire::decode_mail(frame);
    if (!mail) {
        return log::warning("a controller sends what is not understood", {});
    }
    if (mail->kind == MailKind::Hello) {
        return on_hello(number, *mail);
    }
    Link* const link = find_link(number);
    if (link == nullptr) {
        return options_.send(number, wire::encode_mail({MailKind::Who, 0, "", ""}));
    }
    link->heard = loop_.now().mono;
    link->got += frame.size();
    link->taken = std::min(std::max(link->taken, mail->got), link->sent);
    switch (mail->kind) {
        case MailKind::Ping:
            return send_frame(*link, MailKind::Pong, "", "");
        case MailKind::Roster:
            return on_roster(*link, mail->body);
        case MailKind::Envelopes:
            return on_envelopes(*link, *mail);
        case MailKind::Receipts:
            return on_receipts(mail->peer, mail->body);
        case MailKind::Events:
            return on_events(*mail);
        case MailKind::Bounce:
            return on_bounce(*link, *mail);
        case MailKind::Hello:
        case MailKind::Welcome:
        case MailKind::Who:
        case MailKind::Pong:
        case MailKind::Listen:
            break;  // what only an agent says
    }
}

// A controller has one link: what it says of itself on a new one ends the one before.
void PeerExchange::on_hello(std::uint64_t number, const wire::MailFrame& mail) {
    const auto hello = wire::decode_mail_hello(mail.body);
    if (!hello) {
        return;
    }
    std::vector<std::uint64_t> old;
    for (const auto& [other, link] : links_) {
        if (link->controller == hello->controller) {
            old.push_back(other);
        }
    }
    for (const std::uint64_t other : old) {
        closed(other);
        if (other != number) {
            options_.close(other);
        }
    }
    auto link = std::make_unique<Link>();
    link->number = number;
    link->controller = hello->controller;
    link->name = hello->name;
    link->heard = loop_.now().mono;
    Link& made = *link;
    links_[number] = std::move(link);
    std::string body;
    wire::append_whole(body, life_);
    send_frame(made, MailKind::Welcome, "", body);
    send_listen();
    keep_ticking();
}

void PeerExchange::closed(std::uint64_t number) {
    if (links_.erase(number) == 0) {
        return;
    }
    std::erase_if(replies_, [number](const auto& reply) { return reply.first.link == number; });
    for (auto& [name, box] : boxes_) {
        if (box->link == number) {
            rewind(*box);
        }
    }
}

void PeerExchange::on_roster(Link& link, std::string_view body) {
    bool whole = false;
    wire::Roster roster;
    if (!wire::decode_roster(body, whole, roster)) {
        return;
    }
    if (whole) {
        for (auto& [name, presence] : link.roster) {
            const bool named = std::any_of(roster.begin(), roster.end(), [&name = name](auto& one) {
                return one.first == name;
            });
            if (!named) {
                roster.emplace_back(name, Presence::Gone);
            }
        }
    }
    for (const auto& [name, presence] : roster) {
        set_presence(link, name, presence);
    }
}

// What was sent to an agent before it went away may be lost.
void PeerExchange::set_presence(Link& link, const std::string& agent, Presence presence) {
    if (presence == Presence::Gone) {
        link.roster.erase(agent);
    } else {
        link.roster[agent] = presence;
    }
    Box* const box = find_box(agent);
    if (box == nullptr) {
        return;
    }
    if (presence == Presence::Connected) {
        pump_ = true;
        keep_ticking();
    } else if (box->link == link.number) {
        rewind(*box);
    }
}

void PeerExchange::on_bounce(Link& link, const wire::MailFrame& mail) {
    wire::Cursor cursor(mail.body);
    const auto reason = static_cast<wire::BounceReason>(cursor.whole().value_or(0));
    const std::string agent(mail.peer);
    if (reason == wire::BounceReason::Away) {
        return set_presence(link, agent, Presence::Away);
    }
    if (reason == wire::BounceReason::Unknown) {
        return set_presence(link, agent, Presence::Gone);
    }
    if (Box* const box = find_box(agent); box != nullptr && box->link == link.number) {
        set_back(*box);
    }
}

void PeerExchange::send_frame(Link& link,
                              MailKind kind,
                              std::string_view peer,
                              std::string_view body) {
    std::string frame = wire::encode_mail({kind, link.got, peer, body});
    link.sent += frame.size();
    options_.send(link.number, std::move(frame));
}

void PeerExchange::listen(const std::vector<std::string>& agents) {
    const std::size_t before = wanted_events_.size();
    for (const std::string& agent : agents) {
        ++wanted_events_[agent];
    }
    if (wanted_events_.size() != before) {
        send_listen();
    }
}

void PeerExchange::unlisten(const std::vector<std::string>& agents) {
    const std::size_t before = wanted_events_.size();
    for (const std::string& agent : agents) {
        const auto found = wanted_events_.find(agent);
        if (found != wanted_events_.end() && --found->second == 0) {
            wanted_events_.erase(found);
        }
    }
    if (wanted_events_.size() != before) {
        send_listen();
    }
}

void PeerExchange::send_listen() {
    std::vector<std::string> names;
    for (const auto& [name, count] : wanted_events_) {
        names.push_back(name);
    }
    const std::string body = wire::encode_names(names);
    for (auto& [number, link] : links_) {
        send_frame(*link, MailKind::Listen, "", body);
    }
}

// --- time

// Nothing ticks while there is no controller; fast while something is under way.
void PeerExchange::keep_ticking() {
    const bool busy = std::any_of(boxes_.begin(), boxes_.end(), [this](auto& entry) {
        return entry.second->mail.count() != 0 && route(*entry.second) != nullptr;
    });
    const bool any = !links_.empty() || std::any_of(boxes_.begin(), boxes_.end(), [](auto& entry) {
        return entry.second->mail.count() != 0;
    });
    if (!any) {
        return tick_.reset();
    }
    if (busy || !tick_.active()) {
        tick_ = loop_.after(busy ? kBusyTick : kIdleTick, [this] { tick(); });
    }
}

void PeerExchange::tick() {
    const MonoTime now = loop_.now().mono;
    std::vector<std::uint64_t> silent;
    for (const auto& [number, link] : links_) {
        if (now - link->heard > kSilence) {
            silent.push_back(number);
        }
    }
    for (const std::uint64_t number : silent) {
        closed(number);
        options_.close(number);
    }
    ++ticks_;
    for (auto& [name, box] : boxes_) {
        (void)box->mail.unblock(now);
        if (ticks_ % kTicksPerSweep == 0) {
            std::vector<Outgoing> expired;
            box->mail.sweep(now, expired);
            discard(expired);
        }
        // The more is under way, the longer it may take.
        constexpr std::size_t kSlowest = 256U << 10U;  // bytes a second
        const Duration patience = std::chrono::seconds(4) * (1U << std::min(box->setbacks, 4U)) +
                                  std::chrono::seconds(box->mail.in_flight() / kSlowest);
        if (box->mail.in_flight() > 0 && now - box->progress > patience) {
            set_back(*box);
        }
    }
    if (ticks_ % kTicksPerSweep == 0) {
        last_cursor_ = nullptr;
        for (Batch::Cursor& cursor : cursors_.drop_old()) {
            host_.batch().forgotten.push_back(std::move(cursor));
        }
    }
    pump_ = true;
    tick_.reset();
    keep_ticking();
}

// --- the disk

void PeerExchange::submitted(Batch& batch) {
    for (StreamCursor* const cursor : dirty_) {
        if (cursor->dirty) {
            cursor->dirty = false;
            batch.cursors.push_back(cursor->row);
        }
    }
    dirty_.clear();
    in_flight_ = std::move(turn_);
    turn_ = {};
}

void PeerExchange::stored() {
    const Turn turn = std::move(in_flight_);
    in_flight_ = {};
    for (const Added& added : turn.added) {
        stored_ = std::max(stored_, added.id);
        if (Box* const box = find_box(added.agent)) {
            box->mail.wake(*added.from, added.to);
            pump_ = true;
        }
    }
    for (const Due& due : turn.receipts) {
        if (due.taken) {
            due.cursor->settled = std::max(due.cursor->settled, due.id);
            --due.cursor->on_the_way;
        }
        say(*due.sender,
            {due.number,
             due.id,
             Code::Ok,
             host_.app_known(due.cursor->row.to),
             std::string_view()});
    }
}

// What was taken is taken back, and its sender told to try again later.
void PeerExchange::failed() {
    for (Turn* const turn : {&in_flight_, &turn_}) {
        for (const Added& added : turn->added) {
            if (Box* const box = find_box(added.agent)) {
                (void)box->mail.take_back(*added.from, added.to, added.id);
            }
        }
        for (const Due& due : turn->receipts) {
            due.cursor->row.last = due.cursor->settled;
            due.cursor->on_the_way = 0;
            due.cursor->dirty = false;
            say(*due.sender, {due.number, due.id, Code::Full, false, "the disk refuses it"});
        }
        *turn = {};
    }
    dirty_.clear();
}

// --- for people

std::vector<OutboxStats> PeerExchange::stats() const {
    std::vector<OutboxStats> all;
    for (const auto& [name, box] : boxes_) {
        all.push_back({name,
                       std::string(reach(name)),
                       box->mail.count(),
                       box->mail.bytes(),
                       box->mail.in_flight(),
                       box->mail.oldest_ms(),
                       box->refused,
                       box->error});
    }
    return all;
}

std::size_t PeerExchange::drop(const std::string& agent) {
    Box* const box = find_box(agent);
    if (box == nullptr) {
        return 0;
    }
    const std::vector<Outgoing> dropped = box->mail.clear();
    discard(dropped);
    for (const Outgoing& message : dropped) {
        if (message.kind == EnvelopeKind::Request) {
            end_asked(message.correlation, Code::Stopping, "the operator has dropped it");
        }
    }
    boxes_.erase(agent);
    return dropped.size();
}

}  // namespace berth::relay
