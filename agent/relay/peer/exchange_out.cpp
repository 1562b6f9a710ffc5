#include <algorithm>

#include "agent/relay/peer/exchange.h"
#include "shared/log/log.h"

// The part of PeerExchange that sends: what waits for other agents, and what becomes of it.
namespace berth::relay {

namespace {

using wire::MailKind;
using wire::Presence;

constexpr std::size_t kMaxBoxes = 1000;
constexpr std::size_t kMaxKnown = 10'000;
constexpr std::size_t kFrame = 128U << 10U;      // envelopes go together up to about this
constexpr std::size_t kBoxWindow = 2U << 20U;    // bytes on their way to one agent
constexpr std::size_t kLinkWindow = 16U << 20U;  // and over one link, beyond a single message
constexpr std::size_t kMostFrames = 100;         // to one agent without a receipt
constexpr std::uint32_t kMostSetbacks = 10;

}  // namespace

PeerExchange::Box* PeerExchange::find_box(std::string_view agent) {
    const auto found = boxes_.find(agent);
    return found == boxes_.end() ? nullptr : found->second.get();
}

PeerExchange::Box& PeerExchange::need_box(const std::string& agent) {
    auto& slot = boxes_[agent];
    if (slot == nullptr) {
        slot = std::make_unique<Box>(agent, total_, numbers_);
    }
    return *slot;
}

Result<void> PeerExchange::check_room(const std::string& agent,
                                      std::size_t messages,
                                      std::size_t bytes) {
    const MailboxLimits& limits = options_.box;
    if (bytes > limits.bytes || messages > limits.messages) {
        return fail(ErrorCode::TooLarge, "larger than all that may wait for an agent");
    }
    const Box* const box = find_box(agent);
    if (box == nullptr && boxes_.size() >= kMaxBoxes) {
        std::erase_if(boxes_, [](const auto& entry) { return entry.second->mail.count() == 0; });
    }
    if (box == nullptr && boxes_.size() >= kMaxBoxes) {
        return fail(ErrorCode::Exhausted, "messages wait for too many agents already");
    }
    if (box != nullptr && !box->mail.has_room(messages, bytes, limits)) {
        return fail(ErrorCode::Exhausted, "too much waits for agent \"" + agent + "\" already");
    }
    if (total_ + bytes > options_.total_bytes) {
        return fail(ErrorCode::Exhausted, "too much waits for other agents already");
    }
    return {};
}

void PeerExchange::send(const Target& to, const Letter& letter) {
    Box& box = need_box(to.agent);
    const auto name = std::make_shared<const std::string>(to.app);
    Outgoing message;
    message.id = letter.id;
    message.kind = letter.kind;
    message.payload = std::make_shared<const std::string>(letter.payload);
    message.time_ms = host_.wall_ms();
    message.correlation = letter.correlation;
    message.durable = letter.durable;
    if (letter.ttl_ms != 0) {
        message.expires = loop_.now().mono + std::chrono::milliseconds(letter.ttl_ms);
    }
    if (letter.durable) {
        host_.batch().outgoing.push_back(
            {letter.id,
             to.agent,
             name,
             letter.from,
             message.payload,
             message.time_ms,
             letter.ttl_ms == 0 ? 0 : message.time_ms + letter.ttl_ms});
        turn_.added.push_back({to.agent, letter.from, to.app, letter.id});
    }
    const bool first = box.mail.count() == 0;
    box.mail.add(letter.from, name, std::move(message));
    if (!letter.durable) {
        box.mail.wake(*letter.from, to.app);
        pump_ = true;
    }
    if (first) {
        keep_ticking();
    }
}

std::string_view PeerExchange::reach(const std::string& agent) const {
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

std::optional<bool> PeerExchange::known(const Target& to) const {
    const auto box = boxes_.find(to.agent);
    if (box == boxes_.end()) {
        return std::nullopt;
    }
    const auto found = box->second->known.find(to.app);
    return found == box->second->known.end() ? std::nullopt : std::optional(found->second);
}

// --- sending

// The link that was used last, as long as it leads there: then what was sent stays in order.
PeerExchange::Link* PeerExchange::route(Box& box) {
    const auto leads = [&box](const Link& link) {
        const auto found = link.roster.find(box.mail.agent());
        return found != link.roster.end() && found->second == Presence::Connected;
    };
    if (Link* const link = find_link(box.link); link != nullptr && leads(*link)) {
        return link;
    }
    for (auto& [number, link] : links_) {
        if (leads(*link)) {
            return link.get();
        }
    }
    return nullptr;
}

void PeerExchange::rewind(Box& box) {
    box.mail.rewind();
    box.link = 0;
    box.frames = 0;
    pump_ = true;
}

// Something did not get through although the way is there: again, a bit later.
void PeerExchange::set_back(Box& box) {
    constexpr Duration kFirst = std::chrono::milliseconds(100);
    rewind(box);
    box.setbacks = std::min(box.setbacks + 1, kMostSetbacks);
    const Duration pause =
        std::min<Duration>(std::chrono::seconds(10), kFirst * (1U << box.setbacks));
    box.busy_until = loop_.now().mono + pause;
}

bool PeerExchange::end_turn() {
    const bool acted = !replies_.empty() || pump_;
    if (pump_) {
        pump_ = false;
        pump();
    }
    for (const auto& [sender, body] : replies_) {
        if (Link* const link = find_link(sender.link)) {
            send_frame(*link, MailKind::Receipts, sender.agent, body);
        }
    }
    replies_.clear();
    for (auto& [number, link] : links_) {
        send_events(*link);
    }
    return acted;
}

void PeerExchange::pump() {
    std::map<std::uint64_t, std::size_t> in_flight;  // by link
    for (const auto& [name, box] : boxes_) {
        in_flight[box->link] += box->mail.in_flight();
    }
    for (const auto& [name, box] : boxes_) {
        if (!box->mail.due() || box->busy_until > loop_.now().mono) {
            continue;
        }
        if (Link* const link = route(*box)) {
            send_box(*box, *link, in_flight[link->number]);
        }
    }
}

void PeerExchange::send_box(Box& box, Link& link, std::size_t& in_flight) {
    std::vector<Outgoing> expired;
    const auto has_room = [&] {
        return box.mail.in_flight() < kBoxWindow && in_flight < kLinkWindow &&
               box.frames < kMostFrames;
    };
    while (has_room()) {
        std::string body;
        begin_envelopes(body, origin());
        const std::size_t empty = body.size();
        const std::size_t before = box.mail.in_flight();
        while (body.size() < kFrame && has_room()) {
            const auto due = box.mail.next(stored_, loop_.now().mono, expired);
            if (!due) {
                break;
            }
            append_envelope(body, due->envelope);
        }
        if (body.size() == empty) {
            break;
        }
        if (before == 0) {
            box.progress = loop_.now().mono;
        }
        in_flight += box.mail.in_flight() - before;
        box.link = link.number;
        ++box.frames;
        send_frame(link, MailKind::Envelopes, box.mail.agent(), body);
    }
    discard(expired);
}

void PeerExchange::discard(const std::vector<Outgoing>& messages) {
    for (const Outgoing& message : messages) {
        if (message.durable) {
            host_.batch().sent.push_back(message.id);
        }
    }
}

// --- what became of it

void PeerExchange::on_receipts(std::string_view agent, std::string_view body) {
    const auto read = read_receipts(body);
    Box* const box = find_box(agent);
    if (!read || box == nullptr || read->origin.epoch != epoch_ || read->origin.life != life_) {
        return;
    }
    box->progress = loop_.now().mono;
    box->frames = 0;
    for (const Receipt& receipt : read->receipts) {
        on_receipt(*box, receipt);
    }
    pump_ = true;
}

void PeerExchange::on_receipt(Box& box, const Receipt& receipt) {
    switch (receipt.code) {
        case Code::WrongState:
            return box.mail.again(receipt.stream);
        case Code::Full:
            box.error = receipt.why;
            return box.mail.again_later(receipt.stream, loop_.now().mono);
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
            return on_refused(box, receipt);
    }
    const auto app = box.mail.receiver(receipt.stream);
    if (const auto settled = box.mail.settle(receipt.stream, receipt.id)) {
        box.setbacks = 0;
        discard({*settled});
        if (box.known.size() >= kMaxKnown) {
            box.known.clear();
        }
        if (app != nullptr && settled->kind != EnvelopeKind::Answer) {
            box.known[*app] = receipt.known;
        }
    }
}

void PeerExchange::on_refused(Box& box, const Receipt& receipt) {
    const auto app = box.mail.receiver(receipt.stream);
    const auto settled = box.mail.settle(receipt.stream, receipt.id);
    if (!settled) {
        return;
    }
    discard({*settled});
    if (settled->kind == EnvelopeKind::Request) {
        return end_asked(settled->correlation, receipt.code, receipt.why);
    }
    ++box.refused;
    box.error =
        "for " + (app == nullptr ? std::string("an app") : *app) + ": " + std::string(receipt.why);
    log::warning("another agent does not take a message",
                 {{"agent", box.mail.agent()}, {"why", box.error}});
}

// --- requests of ours

Result<void> PeerExchange::request(const Target& to,
                                   const Asker& asker,
                                   std::chrono::milliseconds timeout,
                                   std::string_view payload) {
    if (reach(to.agent) == "unknown") {
        return fail(ErrorCode::NotFound, "no agent has the name \"" + to.agent + "\"");
    }
    if (asked_.size() >= options_.pending_requests) {
        return fail(ErrorCode::Exhausted, "too many requests wait for an answer");
    }
    Letter letter;
    letter.kind = EnvelopeKind::Request;
    letter.from = asker.app;
    letter.id = host_.draw_id();
    letter.ttl_ms = static_cast<std::uint64_t>(timeout.count());
    letter.correlation = host_.draw_correlation();
    letter.payload = payload;
    Asked& asked = asked_[letter.correlation];
    asked.asker = asker;
    asked.to = to;
    asked.timeout = loop_.after(timeout, [this, correlation = letter.correlation] {
        end_asked(correlation, Code::TimedOut, "no answer in time");
    });
    send(to, letter);
    return {};
}

void PeerExchange::end_asked(std::uint64_t correlation, Code code, std::string_view why) {
    const auto found = asked_.find(correlation);
    if (found == asked_.end()) {
        return;
    }
    const Asker asker = found->second.asker;
    asked_.erase(found);
    const std::string header = error_header(asker.request, code, why);
    const std::string_view part = header;
    host_.tell(asker.session, {&part, 1});
}

void PeerExchange::session_ended(std::uint64_t session) {
    std::erase_if(asked_,
                  [session](const auto& entry) { return entry.second.asker.session == session; });
}

void PeerExchange::begin_stop() {
    while (!asked_.empty()) {
        end_asked(asked_.begin()->first, Code::Stopping, "the agent is stopping");
    }
}

}  // namespace berth::relay
