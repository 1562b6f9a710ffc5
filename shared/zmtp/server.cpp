#include "shared/zmtp/server.h"

#include <sys/stat.h>

#include <utility>

#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/socket.h"
#include "shared/os/unix_socket.h"

namespace berth::zmtp {

namespace {

constexpr int kBacklog = 512;

}  // namespace

Server::Server(loop::EventLoop& loop, Options options, Pool::MakePeer make_peer)
    : loop_(loop),
      options_(std::move(options)),
      make_peer_(std::move(make_peer)),
      pool_(loop, options_.terms) {}

Result<std::unique_ptr<Server>> Server::create(loop::EventLoop& loop,
                                               Options options,
                                               Pool::MakePeer make_peer) {
    std::unique_ptr<Server> server(new Server(loop, std::move(options), std::move(make_peer)));
    BERTH_CHECK(server->listen());
    return server;
}

Result<void> Server::listen() {
    const std::string& path = options_.path;
    BERTH_TRY(os::UniqueFd listening, os::listen_unix(path, kBacklog));
    if (::chmod(path.c_str(), options_.mode) != 0) {
        return fail(os::last_error("chmod " + path));
    }
    acceptor_ = std::make_unique<loop::Acceptor>(
        loop_, std::move(listening), options_.accept, [this](os::Accepted accepted) {
            pool_.add(std::move(accepted.socket), make_peer_);
        });
    return {};
}

Result<void> Server::listen_again() {
    return os::exists(options_.path) ? Result<void>() : listen();
}

}  // namespace berth::zmtp
