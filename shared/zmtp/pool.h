#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "shared/log/log.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"
#include "shared/zmtp/connection.h"

namespace berth::zmtp {

// What holds for the connections of a pool.
struct Terms {
    SocketType own = SocketType::Router;
    Limits strangers;              // until trust()
    Limits trusted;                // from then on
    std::size_t most_strangers;    // beyond it the oldest is turned away
    Duration greeting_time;        // until the handshake must be over; zero: any
    std::size_t hold_strangers;    // bytes not taken: above it nothing more is read from a stranger
    std::size_t hold = 1U << 20U;  // the same for who is trusted
};

// The connections of a server, or the one of a client, in one loop. What is sent in a turn goes out
// at its end. A connection costs a few hundred bytes until it is trusted; half-greeted ones are
// closed after some seconds. Who does not read what it is sent, be it the answers to its own pings,
// is not read from either, until it has. Loop thread.
class Pool {
public:
    Pool(loop::EventLoop& loop, const Terms& terms);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Makes what takes care of a new connection.
    using MakePeer = std::function<std::unique_ptr<Peer>(Connection& connection)>;

    // Takes a connected socket, not blocking.
    void add(os::UniqueFd socket, const MakePeer& make_peer);

    // Sends what is queued, as far as the other sides take it now.
    void flush();

private:
    friend class Connection;

    static constexpr std::size_t kReadSize = 256U << 10U;

    void end(Connection& connection);
    void bury();

    loop::EventLoop& loop_;
    Terms terms_;
    std::unique_ptr<char[]> buffer_;  // what a read of any connection fills
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    std::map<std::uint64_t, Connection*> strangers_;  // the oldest first
    std::uint64_t next_ = 0;
    std::vector<Connection*> dirty_;  // have something to send
    std::vector<int> dead_;           // to be destroyed at the end of the turn
    log::Seldom told_;
    loop::Registration hook_;
};

}  // namespace berth::zmtp
