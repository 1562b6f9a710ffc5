#pragma once

#include <memory>
#include <string>

#include "shared/base/result.h"
#include "shared/loop/acceptor.h"
#include "shared/loop/event_loop.h"
#include "shared/zmtp/pool.h"

namespace berth::zmtp {

// A ROUTER on a unix socket. Loop thread.
class Server {
public:
    struct Options {
        std::string path;
        unsigned mode = 0600;  // of the socket: who may connect
        loop::Acceptor::Accept accept = os::accept_unix;
        Terms terms;
    };

    static Result<std::unique_ptr<Server>> create(loop::EventLoop& loop,
                                                  Options options,
                                                  Pool::MakePeer make_peer);

    // The socket was removed: another is made at its path, the connections stay.
    Result<void> listen_again();

    // See Pool::flush().
    void flush() { pool_.flush(); }

private:
    Server(loop::EventLoop& loop, Options options, Pool::MakePeer make_peer);
    Result<void> listen();

    loop::EventLoop& loop_;
    Options options_;
    Pool::MakePeer make_peer_;
    Pool pool_;
    std::unique_ptr<loop::Acceptor> acceptor_;
};

}  // namespace berth::zmtp
