#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/relay/broker/broker.h"
#include "shared/base/result.h"
#include "shared/loop/acceptor.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::relay {

class Connection;

// The unix socket that apps connect to. Relay thread.
//
// A connection costs a few hundred bytes until it has said hello; half-greeted ones are closed
// after some seconds, and of those that have not said hello the oldest makes room when there are
// too many: the socket is open to everybody on this machine. Who does not read what it is sent, be
// it the answers to its own pings, is not read from either, until it has.
class LocalEndpoint {
public:
    static Result<std::unique_ptr<LocalEndpoint>> create(loop::EventLoop& loop,
                                                         Broker& relay,
                                                         const std::string& path);
    ~LocalEndpoint();
    LocalEndpoint(const LocalEndpoint&) = delete;
    LocalEndpoint& operator=(const LocalEndpoint&) = delete;

    // The socket was removed: another is made at its path, the connections stay.
    Result<void> listen_again();

    // Sends what is queued, as far as the peers take it now.
    void flush();

private:
    friend class Connection;

    LocalEndpoint(loop::EventLoop& loop, Broker& relay, std::string path);
    Result<void> listen();
    void add(os::UniqueFd socket);
    void end(Connection& connection);
    void bury();

    loop::EventLoop& loop_;
    Broker& relay_;
    std::string path_;
    std::unique_ptr<char[]> buffer_;  // what a read of any connection fills
    std::unordered_map<int, std::unique_ptr<Connection>> connections_;
    std::map<std::uint64_t, Connection*> strangers_;  // have not said hello, the oldest first
    std::uint64_t next_ = 0;
    std::vector<Connection*> dirty_;  // have something to send
    std::vector<int> dead_;           // to be destroyed at the end of the turn
    log::Seldom told_;
    loop::Registration hook_;
    std::unique_ptr<loop::Acceptor> acceptor_;
};

}  // namespace berth::relay
