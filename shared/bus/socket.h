#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/bus/context.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/frame_sink.h"

namespace berth::bus {

// Who has sent a frame to a Router. `route` only says where an answer goes; `key` is the CURVE
// public key that the sender has proved to own.
struct Peer {
    std::string route;
    std::string key;
};

// The endpoints of this project over networks; shared/zmtp has those of this machine. One frame a
// message. All calls and callbacks are in the thread of the loop; a socket drains at most some
// hundred messages a turn, so that no peer can starve the others.
struct SocketImpl;

struct SocketLimits {
    std::int64_t max_frame = 16 << 20;  // bytes; a peer that sends more is disconnected
    int queue = 1000;                   // messages per peer and direction
};

class Router : public wire::FrameSink {
public:
    using Received = std::function<void(const Peer& peer, std::string_view frame)>;

    static Result<std::unique_ptr<Router>> create(Context& context,
                                                  loop::EventLoop& loop,
                                                  const SocketLimits& limits,
                                                  Received received);
    // For messages of several frames; the peer's route is none of them.
    using ReceivedParts =
        std::function<void(const Peer& peer, std::span<const std::string_view> parts)>;
    static Result<std::unique_ptr<Router>> create_for_parts(Context& context,
                                                            loop::EventLoop& loop,
                                                            const SocketLimits& limits,
                                                            ReceivedParts received);
    ~Router() override;

    // tcp://HOST:PORT with CURVE; only keys that the Authenticator of this context allows get in.
    // Gives the endpoint with the real port. An Authenticator must exist before.
    Result<std::string> bind_curve(const std::string& endpoint, const KeyPair& keys);

    // False: the peer is gone, or its queue is full.
    bool send(const std::string& route, std::string_view frame) override;
    bool send_parts(const std::string& route, std::span<const std::string_view> parts);

private:
    explicit Router(std::unique_ptr<SocketImpl> impl);
    std::unique_ptr<SocketImpl> impl_;
};

class Dealer {
public:
    using Received = std::function<void(std::string_view frame)>;

    // How far the way to a server over TCP has come. ZeroMQ tries again by itself, except after
    // NotLetIn.
    enum class Way : std::uint8_t {
        NoSuchHost,   // its name means nothing
        NobodyThere,  // nobody listens at that port, or nobody leads there
        Silent,       // somebody took the connection, and has said nothing yet
        OtherKey,     // they hang up on us: their key is another than `server_key`
        NotLetIn,     // they do not allow our key
        Open,
    };

    struct Target {
        std::string endpoint;    // tcp://…
        std::string server_key;  // "": unencrypted, which none of our endpoints lets in
        KeyPair own;
        std::function<void(Way)> told = {};  // at each step; null: nobody wants to know
    };

    static Result<std::unique_ptr<Dealer>> create(Context& context,
                                                  loop::EventLoop& loop,
                                                  const SocketLimits& limits,
                                                  const Target& target,
                                                  Received received);
    ~Dealer();
    Dealer(const Dealer&) = delete;
    Dealer& operator=(const Dealer&) = delete;

    // False: nobody is connected (nothing is queued for nobody), or the queue is full.
    bool send(std::string_view frame);

private:
    explicit Dealer(std::unique_ptr<SocketImpl> impl);
    std::unique_ptr<SocketImpl> impl_;
};

// Decides which CURVE keys may connect (ZAP, RFC 27). Without one every TCP socket of the context
// refuses everybody.
class Authenticator {
public:
    // `allowed` is asked at each handshake; `refused` is told of the others.
    using Allowed = std::function<bool(const std::string& key)>;
    using Refused = std::function<void(const std::string& key, const std::string& address)>;

    static Result<std::unique_ptr<Authenticator>> create(Context& context,
                                                         loop::EventLoop& loop,
                                                         Allowed allowed,
                                                         Refused refused);
    ~Authenticator();
    Authenticator(const Authenticator&) = delete;
    Authenticator& operator=(const Authenticator&) = delete;

private:
    explicit Authenticator(std::unique_ptr<SocketImpl> impl);
    std::unique_ptr<SocketImpl> impl_;
};

}  // namespace berth::bus
