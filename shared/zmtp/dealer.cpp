#include "shared/zmtp/dealer.h"

#include <algorithm>
#include <utility>

#include "shared/os/unix_socket.h"

namespace berth::zmtp {

namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(10);
constexpr Duration kLongestPause = std::chrono::milliseconds(500);
constexpr std::size_t kMostBacklog = 64U << 20U;  // requests that the server has not read
constexpr std::size_t kMostParts = 8;             // of what has no meaning here, and is dropped

Terms terms(std::size_t max_frame) {
    const Limits limits{max_frame, max_frame, max_frame, kMostParts};
    // What it is sent is read whether or not the server reads: both waiting for the other to read
    // would be for ever.
    constexpr std::size_t kNever = std::size_t{1} << 62U;
    return {SocketType::Dealer, limits, limits, 1, Duration::zero(), kNever, kNever};
}

}  // namespace

// The other side.
class Dealer::Server : public Peer {
public:
    Server(Dealer& dealer, Connection& connection) : dealer_(dealer), connection_(connection) {}

    void ready() override { dealer_.pause_ = kFirstPause; }

    void received(std::span<const std::string_view> parts) override {
        if (parts.size() == 1) {
            dealer_.received_(parts[0]);
        }
    }

    void too_large(std::string_view /*header*/) override { connection_.close(); }

    void ended() override { dealer_.lost(); }

private:
    Dealer& dealer_;
    Connection& connection_;
};

Dealer::Dealer(loop::EventLoop& loop, std::string path, std::size_t max_frame, Received received)
    : loop_(loop),
      path_(std::move(path)),
      received_(std::move(received)),
      pause_(kFirstPause),
      pool_(loop, terms(max_frame)) {
    connect();
}

Dealer::~Dealer() {
    over_ = true;  // its end is no reason to connect again
}

void Dealer::connect() {
    auto socket = os::connect_unix(path_, os::Blocking::No);
    if (!socket) {  // it does not listen yet, or so many wait there that it takes nobody in
        return lost();
    }
    pool_.add(std::move(*socket), [this](Connection& connection) {
        connection_ = &connection;
        return std::make_unique<Server>(*this, connection);
    });
}

void Dealer::lost() {
    connection_ = nullptr;
    if (!over_) {
        retry_ = loop_.after(pause_, [this] { connect(); });
        pause_ = std::min(pause_ * 2, kLongestPause);
    }
}

bool Dealer::send(std::string_view frame) {
    if (connection_ == nullptr || !connection_->is_open() ||
        connection_->backlog() > kMostBacklog) {
        return false;
    }
    connection_->send({&frame, 1});
    return true;
}

}  // namespace berth::zmtp
