#include "agent/relay/client/local_endpoint.h"

#include <utility>

#include "agent/relay/broker/link.h"

namespace berth::relay {

namespace {

constexpr zmtp::Terms kTerms = {
    .own = zmtp::SocketType::Router,
    .strangers = {4096, 4096, 8192, 2},
    .trusted = {},
    .most_strangers = 256,
    .greeting_time = std::chrono::seconds(3),
    .hold_strangers = 64U << 10U,
    .hold = 1U << 20U,
};

// A client on the unix socket: a Link for the broker, a Peer for its connection.
class LocalClient : public Link, public zmtp::Peer {
public:
    LocalClient(Broker& broker, zmtp::Connection& connection)
        : broker_(broker), connection_(connection), session_(broker.connected(*this)) {}

    void send(std::span<const std::string_view> parts) override { connection_.send(parts); }

    [[nodiscard]] std::size_t backlog() const override { return connection_.backlog(); }

    void authenticated() override { connection_.trust(); }

    void close() override { connection_.close(); }

    void received(std::span<const std::string_view> parts) override {
        broker_.received(session_, parts);
    }

    void too_large(std::string_view header) override { broker_.too_large(session_, header); }

    void drained() override { broker_.drained(session_); }

    void deafened() override { broker_.deafened(session_); }

    void ended() override { broker_.disconnected(session_); }

private:
    Broker& broker_;
    zmtp::Connection& connection_;
    Session& session_;
};

}  // namespace

Result<std::unique_ptr<LocalEndpoint>> LocalEndpoint::create(loop::EventLoop& loop,
                                                             Broker& broker,
                                                             const std::string& path) {
    // Who may come is up to the folders above it, and to the secret that each has to know.
    BERTH_TRY(
        auto server,
        zmtp::Server::create(
            loop, {path, 0666, os::accept_unix, kTerms}, [&broker](zmtp::Connection& connection) {
                return std::make_unique<LocalClient>(broker, connection);
            }));
    return std::unique_ptr<LocalEndpoint>(new LocalEndpoint(std::move(server)));
}

}  // namespace berth::relay
