#include "agent/relay/peer/events.h"

#include <utility>

#include "shared/log/log.h"

namespace berth::relay {

using wire::MailKind;

PeerEvents::PeerEvents(loop::EventLoop& loop,
                       PeerLinks& links,
                       const std::optional<std::vector<std::string>>& share)
    : loop_(loop), links_(links), share_with_all_(!share) {
    rules_.set("share", Rights::Kind::Notify, share);
}

void PeerEvents::listen(const std::vector<std::string>& agents) {
    const std::size_t before = wanted_.size();
    for (const std::string& agent : agents) {
        ++wanted_[agent];
    }
    if (wanted_.size() != before) {
        send_wanted();
    }
}

void PeerEvents::unlisten(const std::vector<std::string>& agents) {
    const std::size_t before = wanted_.size();
    for (const std::string& agent : agents) {
        const auto found = wanted_.find(agent);
        if (found != wanted_.end() && --found->second == 0) {
            wanted_.erase(found);
        }
    }
    if (wanted_.size() != before) {
        send_wanted();
    }
}

void PeerEvents::send_wanted() {
    std::vector<std::string> names;
    for (const auto& [name, count] : wanted_) {
        names.push_back(name);
    }
    const std::string body = wire::encode_names(names);
    links_.for_each(
        [this, &body](PeerLink& link) { links_.send(link, MailKind::Listen, "", body); });
}

void PeerEvents::link_opened(std::uint64_t link) {
    queues_.erase(link);
    send_wanted();
}

void PeerEvents::raise(const PeerEvent& event) {
    links_.for_each([this, &event](PeerLink& link) {
        if (share_with_all_) {
            return gather(link, "", event);
        }
        for (const auto& [agent, presence] : link.roster) {
            if (presence == wire::Presence::Connected && agent != link.name &&
                rules_.allowed("share", Rights::Kind::Notify, agent)) {
                gather(link, agent, event);
            }
        }
    });
}

void PeerEvents::gather(PeerLink& link, const std::string& receiver, const PeerEvent& event) {
    constexpr std::size_t kMost = 4U << 20U;  // bytes that wait, and that are on their way
    Queue& queue = queues_[link.number];
    const std::size_t size = event.payload ? event.payload->size() : 0;
    const std::uint64_t on_the_way = link.sent - link.taken;
    const bool alone = queue.bytes == 0 && on_the_way < kMost;
    if (!alone && (queue.bytes + size > kMost || on_the_way > kMost)) {
        if (!std::exchange(queue.lost, true)) {
            log::warning("other agents miss events: there are too many", {});
        }
        return;
    }
    std::string& body = queue.bodies[receiver];
    queue.bytes -= body.size();
    append_event(body, event);
    queue.bytes += body.size();
}

void PeerEvents::end_turn() {
    constexpr Duration kPause = std::chrono::milliseconds(10);
    const MonoTime now = loop_.now().mono;
    for (auto& [number, queue] : queues_) {
        PeerLink* const link = links_.find(number);
        if (link == nullptr || queue.bodies.empty()) {
            continue;
        }
        if (now < queue.next) {
            if (!later_.active()) {
                later_ = loop_.at(queue.next, [this] { later_.reset(); });
            }
            continue;
        }
        for (const auto& [receiver, body] : queue.bodies) {
            links_.send(*link, MailKind::Events, receiver, body);
        }
        queue.bodies.clear();
        queue.bytes = 0;
        queue.lost = false;
        queue.next = now + kPause;
    }
}

}  // namespace berth::relay
