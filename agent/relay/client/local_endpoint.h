#pragma once

#include <memory>
#include <string>

#include "agent/relay/broker/broker.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/zmtp/server.h"

namespace berth::relay {

// The unix socket that apps connect to. It is open to everybody on this machine: who has not said
// hello may send little, and makes room for others. Relay thread.
class LocalEndpoint {
public:
    static Result<std::unique_ptr<LocalEndpoint>> create(loop::EventLoop& loop,
                                                         Broker& broker,
                                                         const std::string& path);

    // See zmtp::Server.
    Result<void> listen_again() { return server_->listen_again(); }

    void flush() { server_->flush(); }

private:
    explicit LocalEndpoint(std::unique_ptr<zmtp::Server> server) : server_(std::move(server)) {}

    std::unique_ptr<zmtp::Server> server_;
};

}  // namespace berth::relay
