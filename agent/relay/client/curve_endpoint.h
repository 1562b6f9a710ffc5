#pragma once

#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "agent/relay/broker/broker.h"
#include "shared/base/result.h"
#include "shared/bus/socket.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

struct CurveOptions {
    std::string endpoint;           // tcp://HOST:PORT
    std::set<std::string> allowed;  // public keys of clients
    bus::KeyPair keys;
};

// The TCP socket for apps on other machines: CURVE, and keys that agent.toml allows. Who may
// connect still has to say hello. It goes through libzmq, which does not tell when a peer has gone:
// every client gets a push `tick` each ten seconds, and one that cannot be sent to is forgotten.
// Relay thread; with a ZeroMQ context of its own.
class CurveEndpoint {
public:
    static Result<std::unique_ptr<CurveEndpoint>> create(loop::EventLoop& loop,
                                                         Broker& relay,
                                                         const CurveOptions& options);
    ~CurveEndpoint();
    CurveEndpoint(const CurveEndpoint&) = delete;
    CurveEndpoint& operator=(const CurveEndpoint&) = delete;

    // With the real port.
    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

private:
    class Remote;

    CurveEndpoint(loop::EventLoop& loop, Broker& relay, CurveOptions options);
    void received(const bus::Peer& peer, std::span<const std::string_view> parts);
    void tick();
    bool bury();

    loop::EventLoop& loop_;
    Broker& relay_;
    CurveOptions options_;
    std::string endpoint_;
    bus::Context context_;
    std::unique_ptr<bus::Authenticator> authenticator_;
    std::unique_ptr<bus::Router> router_;
    std::unordered_map<std::string, std::unique_ptr<Remote>> remotes_;  // by route
    bool any_dead_ = false;
    loop::Registration tick_;
    loop::Registration hook_;
};

}  // namespace berth::relay
