#pragma once

#include "agent/relay/broker/parts.h"
#include "agent/relay/protocol/requests.h"

// What a client can ask for, one function for each verb (see contracts/ipc): reads the arguments,
// checks what the app may do, and answers, at once or later. Only `hello` is called for a session
// that has no box yet. Relay thread.
namespace berth::relay::verbs {

using Handler = void (*)(BrokerParts& broker,
                         Session& session,
                         const RequestHeader& request,
                         Frames payload);

Handler handler_of(Verb verb);

// who speaks
void hello(BrokerParts&, Session&, const RequestHeader&, Frames);
void ping(BrokerParts&, Session&, const RequestHeader&, Frames);
void version(BrokerParts&, Session&, const RequestHeader&, Frames);

// sending
void notify(BrokerParts&, Session&, const RequestHeader&, Frames);
void request(BrokerParts&, Session&, const RequestHeader&, Frames);
void respond(BrokerParts&, Session&, const RequestHeader&, Frames);
void raise(BrokerParts&, Session&, const RequestHeader&, Frames);

// receiving
void poll(BrokerParts&, Session&, const RequestHeader&, Frames);
void ack(BrokerParts&, Session&, const RequestHeader&, Frames);
void clear(BrokerParts&, Session&, const RequestHeader&, Frames);
void working(BrokerParts&, Session&, const RequestHeader&, Frames);
void release(BrokerParts&, Session&, const RequestHeader&, Frames);
void resend(BrokerParts&, Session&, const RequestHeader&, Frames);
void drop(BrokerParts&, Session&, const RequestHeader&, Frames);

// apps
void list(BrokerParts&, Session&, const RequestHeader&, Frames);
void control(BrokerParts&, Session&, const RequestHeader&, Frames);  // start, stop, restart
void facts(BrokerParts&, Session&, const RequestHeader&, Frames);    // is_running, … status
void config(BrokerParts&, Session&, const RequestHeader&, Frames);

}  // namespace berth::relay::verbs
