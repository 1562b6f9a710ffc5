#include "agent/relay/peer/outgoing.h"

#include <algorithm>
#include <utility>

#include "shared/log/log.h"

namespace berth::relay {

namespace {

constexpr std::size_t kMostPeers = 1000;
constexpr std::size_t kMostKnown = 10'000;
constexpr std::size_t kFrame = 128U << 10U;      // envelopes go together up to about this
constexpr std::size_t kPeerWindow = 2U << 20U;   // bytes on their way to one agent
constexpr std::size_t kLinkWindow = 16U << 20U;  // and over one link, beyond a single message
constexpr std::size_t kMostFrames = 100;         // to one agent without a receipt
constexpr std::uint32_t kMostSetbacks = 10;

// The disk need not keep them any longer.
void discard(Batch& batch, const std::vector<Outgoing>& messages) {
    for (const Outgoing& message : messages) {
        if (message.durable) {
            batch.sent.push_back(message.id);
        }
    }
}

}  // namespace

OutgoingMail::Peer* OutgoingMail::find(std::string_view agent) {
    const auto found = peers_.find(agent);
    return found == peers_.end() ? nullptr : found->second.get();
}

OutgoingMail::Peer& OutgoingMail::need(const std::string& agent) {
    auto& slot = peers_[agent];
    if (slot == nullptr) {
        slot = std::make_unique<Peer>(agent, total_, numbers_);
    }
    return *slot;
}

void OutgoingMail::restore(std::string epoch,
                           std::uint64_t life,
                           std::vector<Batch::Outgoing>& rows) {
    epoch_ = std::move(epoch);
    life_ = life;
    const std::uint64_t now = uses_.clock.unix_ms();
    for (Batch::Outgoing& row : rows) {
        Outgoing message;
        message.id = row.id;
        message.payload = std::move(row.payload);
        message.time_ms = row.time_ms;
        message.durable = true;
        if (row.expires_ms != 0) {
            message.expires =
                uses_.clock.mono() +
                std::chrono::milliseconds(row.expires_ms - std::min(row.expires_ms, now));
        }
        stored_ = row.id;
        Peer& peer = need(row.agent);
        peer.mail.add(row.from, row.to, std::move(message));
        peer.mail.wake(*row.from, *row.to);
    }
}

Result<void> OutgoingMail::check_room(const std::string& agent,
                                      std::size_t messages,
                                      std::size_t bytes) {
    const MailboxLimits& limits = limits_.box;
    if (bytes > limits.bytes || messages > limits.messages) {
        return fail(ErrorCode::TooLarge, "larger than all that may wait for an agent");
    }
    const Peer* const peer = find(agent);
    if (peer == nullptr && peers_.size() >= kMostPeers) {
        std::erase_if(peers_, [](const auto& entry) { return entry.second->mail.count() == 0; });
    }
    if (peer == nullptr && peers_.size() >= kMostPeers) {
        return fail(ErrorCode::Exhausted, "messages wait for too many agents already");
    }
    if (peer != nullptr && !peer->mail.has_room(messages, bytes, limits)) {
        return fail(ErrorCode::Exhausted, "too much waits for agent \"" + agent + "\" already");
    }
    if (total_ + bytes > limits_.total_bytes) {
        return fail(ErrorCode::Exhausted, "too much waits for other agents already");
    }
    return {};
}

bool OutgoingMail::send(const PeerAddress& to,
                        const Name& from,
                        Outgoing message,
                        std::uint64_t ttl_ms) {
    Peer& peer = need(to.agent);
    const auto name = std::make_shared<const std::string>(to.app);
    message.time_ms = uses_.clock.unix_ms();
    if (ttl_ms != 0) {
        message.expires = uses_.clock.mono() + std::chrono::milliseconds(ttl_ms);
    }
    const bool durable = message.durable;
    if (durable) {
        uses_.turn.batch().outgoing.push_back({message.id,
                                               to.agent,
                                               name,
                                               from,
                                               message.payload,
                                               message.time_ms,
                                               ttl_ms == 0 ? 0 : message.time_ms + ttl_ms});
        turn_.push_back({to.agent, from, to.app, message.id});
    }
    const bool first = peer.mail.count() == 0;
    peer.mail.add(from, name, std::move(message));
    if (!durable) {
        peer.mail.wake(*from, to.app);
        due_ = true;
    }
    return first;
}

std::optional<bool> OutgoingMail::known(const PeerAddress& to) const {
    const auto peer = peers_.find(to.agent);
    if (peer == peers_.end()) {
        return std::nullopt;
    }
    const auto found = peer->second->known.find(to.app);
    return found == peer->second->known.end() ? std::nullopt : std::optional(found->second);
}

void OutgoingMail::Peer::rewind() {
    mail.rewind();
    link = 0;
    frames = 0;
}

void OutgoingMail::Peer::set_back(MonoTime now) {
    constexpr Duration kFirst = std::chrono::milliseconds(100);
    rewind();
    setbacks = std::min(setbacks + 1, kMostSetbacks);
    busy_until = now + std::min<Duration>(std::chrono::seconds(10), kFirst * (1U << setbacks));
}

bool OutgoingMail::presence_changed(std::uint64_t link,
                                    std::string_view agent,
                                    wire::Presence presence) {
    Peer* const peer = find(agent);
    if (peer == nullptr) {
        return false;
    }
    if (presence == wire::Presence::Connected) {
        due_ = true;
        return true;
    }
    if (peer->link == link) {
        peer->rewind();
        due_ = true;
    }
    return false;
}

void OutgoingMail::bounced(std::uint64_t link, std::string_view agent) {
    if (Peer* const peer = find(agent); peer != nullptr && peer->link == link) {
        peer->set_back(uses_.clock.mono());
        due_ = true;
    }
}

void OutgoingMail::link_closed(std::uint64_t link) {
    for (auto& [name, peer] : peers_) {
        if (peer->link == link) {
            peer->rewind();
            due_ = true;
        }
    }
}

// --- time

bool OutgoingMail::waits_for_somebody() const {
    return std::any_of(peers_.begin(), peers_.end(), [](const auto& entry) {
        return entry.second->mail.count() != 0;
    });
}

bool OutgoingMail::is_busy() const {
    return std::any_of(peers_.begin(), peers_.end(), [this](const auto& entry) {
        const auto& [name, peer] = entry;
        return peer->mail.count() != 0 && uses_.links.route(name, peer->link) != nullptr;
    });
}

bool OutgoingMail::end_turn() {
    if (!std::exchange(due_, false)) {
        return false;
    }
    std::map<std::uint64_t, std::size_t> in_flight;  // by link
    for (const auto& [name, peer] : peers_) {
        in_flight[peer->link] += peer->mail.in_flight();
    }
    for (const auto& [name, peer] : peers_) {
        if (!peer->mail.due() || peer->busy_until > uses_.clock.mono()) {
            continue;
        }
        if (PeerLink* const link = uses_.links.route(name, peer->link)) {
            send_to(*peer, *link, in_flight[link->number]);
        }
    }
    return true;
}

void OutgoingMail::send_to(Peer& peer, PeerLink& link, std::size_t& in_flight) {
    std::vector<Outgoing> expired;
    const auto has_room = [&] {
        return peer.mail.in_flight() < kPeerWindow && in_flight < kLinkWindow &&
               peer.frames < kMostFrames;
    };
    while (has_room()) {
        std::string body;
        begin_envelopes(body, {epoch_, life_});
        const std::size_t empty = body.size();
        const std::size_t before = peer.mail.in_flight();
        while (body.size() < kFrame && has_room()) {
            const auto due = peer.mail.next(stored_, uses_.clock.mono(), expired);
            if (!due) {
                break;
            }
            append_envelope(body, due->envelope);
        }
        if (body.size() == empty) {
            break;
        }
        if (before == 0) {
            peer.progress = uses_.clock.mono();
        }
        in_flight += peer.mail.in_flight() - before;
        peer.link = link.number;
        ++peer.frames;
        uses_.links.send(link, wire::MailKind::Envelopes, peer.mail.agent(), body);
    }
    discard(uses_.turn.batch(), expired);
}

// --- what became of it

void OutgoingMail::received(std::string_view agent, std::string_view receipts) {
    const auto read = read_receipts(receipts);
    Peer* const peer = find(agent);
    if (!read || peer == nullptr || read->origin.epoch != epoch_ || read->origin.life != life_) {
        return;
    }
    peer->progress = uses_.clock.mono();
    peer->frames = 0;
    for (const Receipt& receipt : read->receipts) {
        on_receipt(*peer, receipt);
    }
    due_ = true;
}

void OutgoingMail::on_receipt(Peer& peer, const Receipt& receipt) {
    switch (receipt.code) {
        case Code::WrongState:
            return peer.mail.again(receipt.stream);
        case Code::Full:
            peer.error = receipt.why;
            return peer.mail.again_later(receipt.stream, uses_.clock.mono());
        case Code::Ok:
            break;
        case Code::Malformed:
        case Code::Unauthenticated:
        case Code::Forbidden:
        case Code::NotFound:
        case Code::TooLarge:
        case Code::Internal:
        case Code::Stopping:
        case Code::TimedOut:
        default:  // of a newer agent
            return on_refused(peer, receipt);
    }
    const auto app = peer.mail.receiver(receipt.stream);
    if (const auto settled = peer.mail.settle(receipt.stream, receipt.id)) {
        peer.setbacks = 0;
        discard(uses_.turn.batch(), {*settled});
        if (peer.known.size() >= kMostKnown) {
            peer.known.clear();
        }
        if (app != nullptr && settled->kind != EnvelopeKind::Answer) {
            peer.known[*app] = receipt.known;
        }
    }
}

void OutgoingMail::on_refused(Peer& peer, const Receipt& receipt) {
    const auto app = peer.mail.receiver(receipt.stream);
    const auto settled = peer.mail.settle(receipt.stream, receipt.id);
    if (!settled) {
        return;
    }
    discard(uses_.turn.batch(), {*settled});
    if (settled->kind == EnvelopeKind::Request) {
        return uses_.asked.end(settled->correlation, receipt.code, receipt.why);
    }
    ++peer.refused;
    peer.error =
        "for " + (app == nullptr ? std::string("an app") : *app) + ": " + std::string(receipt.why);
    log::warning("another agent does not take a message",
                 {{"agent", peer.mail.agent()}, {"why", peer.error}});
}

void OutgoingMail::tick(bool sweep) {
    const MonoTime now = uses_.clock.mono();
    for (auto& [name, peer] : peers_) {
        (void)peer->mail.unblock(now);
        if (sweep) {
            std::vector<Outgoing> expired;
            peer->mail.sweep(now, expired);
            discard(uses_.turn.batch(), expired);
        }
        // The more is under way, the longer it may take.
        constexpr std::size_t kSlowest = 256U << 10U;  // bytes a second
        const Duration patience = std::chrono::seconds(4) * (1U << std::min(peer->setbacks, 4U)) +
                                  std::chrono::seconds(peer->mail.in_flight() / kSlowest);
        if (peer->mail.in_flight() > 0 && now - peer->progress > patience) {
            peer->set_back(now);
        }
    }
    due_ = true;
}

// --- the disk

void OutgoingMail::gather() {
    in_flight_ = std::exchange(turn_, {});
}

void OutgoingMail::stored() {
    const std::vector<Added> turn = std::exchange(in_flight_, {});
    for (const Added& added : turn) {
        stored_ = std::max(stored_, added.id);
        if (Peer* const peer = find(added.agent)) {
            peer->mail.wake(*added.from, added.to);
            due_ = true;
        }
    }
}

void OutgoingMail::failed() {
    for (std::vector<Added>* const turn : {&in_flight_, &turn_}) {
        for (const Added& added : *turn) {
            if (Peer* const peer = find(added.agent)) {
                (void)peer->mail.take_back(*added.from, added.to, added.id);
            }
        }
        turn->clear();
    }
}

// --- for people

std::vector<OutboxStats> OutgoingMail::stats() const {
    std::vector<OutboxStats> all;
    for (const auto& [name, peer] : peers_) {
        all.push_back({name,
                       std::string(uses_.links.reach(name)),
                       peer->mail.count(),
                       peer->mail.bytes(),
                       peer->mail.in_flight(),
                       peer->mail.oldest_ms(),
                       peer->refused,
                       peer->error});
    }
    return all;
}

std::size_t OutgoingMail::drop(const std::string& agent) {
    Peer* const peer = find(agent);
    if (peer == nullptr) {
        return 0;
    }
    const std::vector<Outgoing> dropped = peer->mail.clear();
    discard(uses_.turn.batch(), dropped);
    for (const Outgoing& message : dropped) {
        if (message.kind == EnvelopeKind::Request) {
            uses_.asked.end(message.correlation, Code::Stopping, "the operator has dropped it");
        }
    }
    peers_.erase(agent);
    return dropped.size();
}

}  // namespace berth::relay
