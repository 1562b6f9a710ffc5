#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shared/loop/event_loop.h"
#include "shared/zmtp/pool.h"

namespace berth::zmtp {

// A DEALER that talks to the ROUTER at a unix socket in messages of one frame, and connects to it
// again whenever it has gone. Loop thread.
class Dealer {
public:
    using Received = std::function<void(std::string_view frame)>;

    // Connects at once when somebody listens. Who sends a frame above `max_frame` bytes is left.
    Dealer(loop::EventLoop& loop, std::string path, std::size_t max_frame, Received received);
    ~Dealer();
    Dealer(const Dealer&) = delete;
    Dealer& operator=(const Dealer&) = delete;

    // False: nobody is connected, or does not read; nothing is queued for nobody.
    bool send(std::string_view frame);

private:
    class Server;

    void connect();
    void lost();

    loop::EventLoop& loop_;
    std::string path_;
    Received received_;
    Connection* connection_ = nullptr;  // null: nobody is there
    Duration pause_;                    // before the next try
    bool over_ = false;
    loop::Registration retry_;
    Pool pool_;
};

}  // namespace berth::zmtp
