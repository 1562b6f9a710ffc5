#include "agent/relay/broker/parts.h"

#include <utility>

namespace berth::relay {

namespace {

PeerExchange::Options exchange_options(const BrokerOptions& options) {
    PeerExchange::Options exchange;
    exchange.agent = options.port.agent;
    exchange.out = {options.limits.mailbox, options.limits.total_bytes};
    exchange.pending_requests = options.limits.pending_requests;
    exchange.rules = options.rules;
    exchange.send = options.mail_send ? options.mail_send : [](std::uint64_t, const auto&) {};
    exchange.close = options.mail_close ? options.mail_close : [](std::uint64_t) {};
    return exchange;
}

}  // namespace

BrokerParts::BrokerParts(loop::EventLoop& loop, BrokerOptions options_in)
    : options(std::move(options_in)),
      clock(loop),
      dedupe(options.limits.dedupe),
      boxes(options.limits.mailboxes, dedupe),
      apps(options.port.agent, options.limits.redelivery, clock, boxes),
      turn(loop),
      replies(sessions),
      intake({clock, options.limits, boxes, dedupe, trace, turn}),
      delivery({loop, clock, options.limits, boxes, sessions, trace, turn, intake, replies}),
      requests({loop, clock, sessions, trace, delivery, replies}),
      events({clock, trace, turn}, options.port.agent, options.limits.max_backlog),
      gate({apps, sessions, turn, intake, delivery, requests, events}),
      exchange({loop, clock, trace, turn, gate}, exchange_options(options)),
      view({boxes, trace, intake, requests}) {
    turn.join(intake);
    turn.join(replies);
    turn.join(exchange);
}

void BrokerParts::subscribe(Session& session, bool messages, bool events_wanted) {
    messages = messages && !session.deaf;
    events.listen(session, events_wanted && !session.deaf);
    if (session.subscribed != messages) {
        session.subscribed = messages;
        if (messages) {
            session.box->subscribers.push_back(&session);
            boxes.touch(*session.box);
        } else {
            std::erase(session.box->subscribers, &session);
        }
    }
}

void BrokerParts::want_peer_events(Session& session, std::vector<std::string> agents) {
    if (agents == session.peer_events) {
        return;
    }
    exchange.events().listen(agents);
    exchange.events().unlisten(session.peer_events);
    session.peer_events = std::move(agents);
}

}  // namespace berth::relay
