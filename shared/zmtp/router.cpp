#include "shared/zmtp/router.h"

#include <utility>

namespace berth::zmtp {

namespace {

constexpr Duration kGreetingTime = std::chrono::seconds(3);
constexpr std::size_t kMostStrangers = 256;
constexpr std::size_t kHold = 1U << 20U;
constexpr std::size_t kMostBacklog = 64U << 20U;  // answers that the peer has not read
constexpr std::size_t kMostParts = 8;             // of what has no meaning here, and is dropped

}  // namespace

// One who is connected.
class Router::Client : public Peer {
public:
    Client(Router& router, Connection& connection)
        : router_(router), connection_(connection), route_(std::to_string(connection.number())) {
        router_.clients_.emplace(route_, &connection_);
    }

    void ready() override { connection_.trust(); }

    void received(std::span<const std::string_view> parts) override {
        if (parts.size() == 1) {  // more has no meaning to answer to
            router_.received_(route_, parts[0]);
        }
    }

    void too_large(std::string_view /*header*/) override { connection_.close(); }

    void ended() override { router_.clients_.erase(route_); }

private:
    Router& router_;
    Connection& connection_;
    std::string route_;
};

Router::~Router() {
    server_.reset();  // its clients leave the table as they end
}

Result<std::unique_ptr<Router>> Router::create(loop::EventLoop& loop,
                                               const std::string& path,
                                               std::size_t max_frame,
                                               Received received) {
    const Limits limits{max_frame, max_frame, max_frame, kMostParts};
    Server::Options options;
    options.path = path;
    options.accept = os::accept_commander;
    options.terms = {
        SocketType::Router, limits, limits, kMostStrangers, kGreetingTime, kHold, kHold};
    std::unique_ptr<Router> router(new Router(std::move(received)));
    BERTH_TRY(router->server_,
              Server::create(loop, std::move(options), [self = router.get()](Connection& from) {
                  return std::make_unique<Client>(*self, from);
              }));
    return router;
}

bool Router::send(const std::string& route, std::string_view frame) {
    const auto found = clients_.find(route);
    if (found == clients_.end() || !found->second->is_open() ||
        found->second->backlog() > kMostBacklog) {
        return false;
    }
    found->second->send({&frame, 1});
    return true;
}

}  // namespace berth::zmtp
