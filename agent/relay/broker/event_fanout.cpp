#include "agent/relay/broker/event_fanout.h"

#include <algorithm>
#include <optional>

#include "shared/log/log.h"

namespace berth::relay {

void EventFanout::listen(Session& session, bool wanted) {
    if (session.listening == wanted) {
        return;
    }
    session.listening = wanted;
    if (wanted) {
        listeners_.push_back(&session);
    } else {
        std::erase(listeners_, &session);
    }
}

PeerEvent EventFanout::raise(const Session& raiser, std::string_view type, Frames payload) {
    const Name& own = raiser.box->mail.app();
    PeerEvent event;
    event.seq = next_seq_++;
    event.type = type;
    event.from = *own;
    event.time_ms = uses_.clock.unix_ms();
    event.payload = payload.empty() ? std::nullopt : std::optional(payload[0]);
    const std::string header =
        event_header({event.seq, event.type, event.from, event.time_ms, agent_});
    std::vector<std::string_view> parts = {header};
    parts.insert(parts.end(), payload.begin(), payload.end());
    note(own, type, payload.empty() ? 0 : payload[0].size());
    push(parts, [&raiser](const Session& listener) { return listener.box != raiser.box; });
    return event;
}

void EventFanout::pass_on(std::string_view agent, const PeerEvent& event) {
    const std::string from = std::string(agent) + '/' + std::string(event.from);
    const std::string header = event_header({event.seq, event.type, from, event.time_ms, agent});
    std::vector<std::string_view> parts = {header};
    if (event.payload) {
        parts.push_back(*event.payload);
    }
    note(std::make_shared<const std::string>(from),
         event.type,
         event.payload ? event.payload->size() : 0);
    push(parts, [agent](const Session& listener) {
        return std::any_of(
            listener.peer_events.begin(),
            listener.peer_events.end(),
            [agent](const std::string& name) { return name == "*" || name == agent; });
    });
}

void EventFanout::push(Frames parts, const std::function<bool(const Session&)>& wanted) {
    std::vector<Session*> slow;
    for (Session* const listener : listeners_) {
        if (!wanted(*listener)) {
            continue;
        }
        if (listener->link->backlog() > max_backlog_) {
            slow.push_back(listener);
        } else {
            listener->link->send(parts);
        }
    }
    for (Session* const listener : slow) {
        log::warning("a client does not read its events; its connection is closed",
                     {{"app", *listener->box->mail.app()}});
        listener->link->close();
    }
}

void EventFanout::note(const Name& from, std::string_view type, std::size_t size) {
    TraceEntry entry;
    entry.id = uses_.turn.take_ids(1);
    entry.from = from;
    entry.to = std::make_shared<const std::string>(type);
    entry.size = size;
    entry.accepted = entry.stored = entry.given = entry.ended = uses_.clock.wall();
    entry.kind = TraceKind::Event;
    entry.outcome = TraceOutcome::Told;
    uses_.trace.begin(std::move(entry));
}

}  // namespace berth::relay
