#pragma once

#include <memory>

#include "tests/bench/relay/way.h"

// The same work through other brokers, spoken to as simply as they allow: no client library whose
// cost would be taken for theirs. `endpoint` is the path of a unix socket, or a port on loopback.
namespace berth::bench {

// A list per receiver: LPUSH, BRPOP one at a time, BLMPOP where many are wanted. Answers go to the
// list "back:" and the receiver's name.
std::unique_ptr<Way> redis_way(const Spec& spec);

// A subject per receiver. NATS acknowledges nothing: to wait for what was sent is a PING and its
// PONG, which say that the server has read it.
std::unique_ptr<Way> nats_way(const Spec& spec);

}  // namespace berth::bench
