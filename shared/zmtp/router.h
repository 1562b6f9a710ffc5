#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/frame_sink.h"
#include "shared/zmtp/server.h"

namespace berth::zmtp {

// A Server for messages of one frame, such as those of shared/wire/control.h: for who may connect
// at all, which the socket's mode says. Loop thread.
class Router : public wire::FrameSink {
public:
    // `route` says where an answer goes.
    using Received = std::function<void(const std::string& route, std::string_view frame)>;

    // Who sends a frame above `max_frame` bytes is disconnected.
    static Result<std::unique_ptr<Router>> create(loop::EventLoop& loop,
                                                  const std::string& path,
                                                  std::size_t max_frame,
                                                  Received received);
    ~Router() override;

    // False: the peer is gone, or does not read.
    bool send(const std::string& route, std::string_view frame) override;

    // See Server::listen_again().
    Result<void> listen_again() { return server_->listen_again(); }

private:
    class Client;

    explicit Router(Received received) : received_(std::move(received)) {}

    Received received_;
    std::unordered_map<std::string, Connection*> clients_;  // by route
    std::unique_ptr<Server> server_;
};

}  // namespace berth::zmtp
