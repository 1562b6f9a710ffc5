#include "shared/bus/socket.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include <zmq.hpp>

#include "shared/base/ensure.h"
#include "shared/log/log.h"
#include "shared/os/accept.h"

namespace berth::bus {

namespace {

constexpr int kMaxPerTurn = 256;
constexpr int kHandshakeMs = 5000;  // four times to and fro
constexpr int kConnectMs = 2000;    // then anew: the kernel's own tries come ever more rarely
constexpr int kLastWordsMs = 250;   // for answers that are on their way when a server ends
constexpr Duration kPause = std::chrono::seconds(1);
constexpr int kHeartbeatMs = 2000;
constexpr int kHeartbeatTimeoutMs = 6000;
constexpr const char* kZapDomain = "berth";

// ZMQ_ZAP_ENFORCE_DOMAIN: Debian's library knows it, its header hides it behind the draft API.
constexpr int kEnforceZapDomain = 93;

Error zmq_error(const zmq::error_t& error, const std::string& context) {
    const ErrorCode code = error.num() == EADDRINUSE || error.num() == EADDRNOTAVAIL
                               ? ErrorCode::AlreadyExists
                               : ErrorCode::Io;
    return {code, context + ": " + error.what(), error.num()};
}

}  // namespace

// A socket on the loop. ZeroMQ's descriptor only says "look again", edge by edge; so the socket is
// looked at whenever the descriptor wakes the loop and again before each sleep, and a sleep never
// begins with something left in it.
struct SocketImpl {
    SocketImpl(Context& context_in, zmq::socket_type type, loop::EventLoop& loop_in)
        : context(context_in), loop(loop_in), socket(context.get(), type) {}

    void limit(const SocketLimits& limits) {
        socket.set(zmq::sockopt::maxmsgsize, limits.max_frame);
        socket.set(zmq::sockopt::sndhwm, limits.queue);
        socket.set(zmq::sockopt::rcvhwm, limits.queue);
        socket.set(zmq::sockopt::linger, 0);
        socket.set(zmq::sockopt::handshake_ivl, kHandshakeMs);
    }

    void attach(std::function<void(std::vector<zmq::message_t>&)> received_in) {
        received = std::move(received_in);
        watch = loop.watch(socket.get(zmq::sockopt::fd), loop::Interest::Read, [](bool, bool) {});
        hook = loop.before_sleep([this] { return drain(); });
    }

    // True: something was received, so the loop must not sleep on what it knew before.
    bool drain() {
        const std::weak_ptr<bool> living = alive;
        for (int i = 0; i < kMaxPerTurn; ++i) {
            std::vector<zmq::message_t> parts;
            do {
                zmq::message_t part;
                if (!socket.recv(part, zmq::recv_flags::dontwait)) {
                    return i > 0;
                }
                parts.push_back(std::move(part));
            } while (parts.back().more());
            received(parts);
            if (living.expired()) {
                return false;
            }
        }
        return true;
    }

    // Tells what happens to the connections of this socket: one of `events` (ZMQ_EVENT_…) and its
    // value. To be called before it connects or listens.
    using Told = std::function<void(std::uint16_t event, std::uint32_t value)>;
    void watch_events(int events, Told told);

    // No more connections are taken until there are descriptors enough again.
    void pause_listening(const std::string& endpoint);

    Context& context;
    loop::EventLoop& loop;
    zmq::socket_t socket;
    std::unique_ptr<SocketImpl> monitor;
    std::function<void(std::vector<zmq::message_t>&)> received;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
    loop::Registration watch;
    loop::Registration hook;
    loop::Registration pause;
    log::Seldom paused;
};

namespace {

constexpr int kWatchedEvents =
    ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED |
    ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
    ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_SUCCEEDED;

// Makes ways of the events of ZeroMQ's monitor.
class WayReader {
public:
    // Nothing: it says nothing new.
    std::optional<Dealer::Way> read(std::uint16_t event) {
        using enum Dealer::Way;
        switch (event) {
            case ZMQ_EVENT_CONNECT_DELAYED:
            case ZMQ_EVENT_CLOSED:
                resolved_ = true;
                return std::nullopt;
            case ZMQ_EVENT_CONNECT_RETRIED: {
                const bool resolved = std::exchange(resolved_, false);
                // After a connection that there was, this is the first try of the next one.
                return std::exchange(met_, false) ? std::nullopt
                       : resolved                 ? set(NobodyThere)
                                                  : set(NoSuchHost);
            }
            case ZMQ_EVENT_CONNECTED:
                met_ = true;
                return way_ == OtherKey ? std::nullopt : set(Silent);  // it will hang up again
            case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                return set(OtherKey);
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
                return set(NotLetIn);
            case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                return set(Open);
            default:
                return std::nullopt;
        }
    }

private:
    std::optional<Dealer::Way> set(Dealer::Way way) {
        way_ = way;
        return way;
    }

    std::optional<Dealer::Way> way_;
    bool resolved_ = false;  // its name meant an address since the last try
    bool met_ = false;       // somebody took the connection since then
};

std::string key_of(zmq::message_t& message) {
    try {
        return message.gets("User-Id");
    } catch (const zmq::error_t&) {
        return {};  // no such property: not authenticated
    }
}

}  // namespace

void SocketImpl::watch_events(int events, Told told) {
    // Never one that was there before: libzmq lets go of a name later than of its socket.
    static std::atomic<std::uint64_t> last{0};
    const std::string address = "inproc://events-" + std::to_string(++last);
    if (zmq_socket_monitor(socket.handle(), address.c_str(), events) != 0) {
        throw zmq::error_t();
    }
    monitor = std::make_unique<SocketImpl>(context, zmq::socket_type::pair, loop);
    monitor->socket.set(zmq::sockopt::linger, 0);
    monitor->attach([told = std::move(told)](std::vector<zmq::message_t>& parts) {
        std::uint16_t event = 0;
        std::uint32_t value = 0;
        if (!parts.empty() && parts[0].size() >= sizeof event + sizeof value) {
            std::memcpy(&event, parts[0].data(), sizeof event);
            std::memcpy(&value, parts[0].data<char>() + sizeof event, sizeof value);
            told(event, value);
        }
    });
    monitor->socket.connect(address);
}

void SocketImpl::pause_listening(const std::string& endpoint) {
    try {
        if (!pause.active()) {
            if (paused.due()) {
                log::warning(
                    "hardly any descriptors are left: nobody more is let in until others have gone",
                    {{"at", endpoint}});
            }
            socket.unbind(endpoint);
        } else if (os::may_take_more(os::Callers::Strangers)) {
            socket.bind(endpoint);
            return pause.reset();
        }
    } catch (const zmq::error_t& error) {  // its port is in other hands, for the moment or for good
        log::error("nobody is let in over TCP now", {{"at", endpoint}, {"error", error.what()}});
    }
    pause = loop.after(kPause, [this, endpoint] { pause_listening(endpoint); });
}

Router::Router(std::unique_ptr<SocketImpl> impl) : impl_(std::move(impl)) {}

Router::~Router() = default;

Result<std::unique_ptr<Router>> Router::create(Context& context,
                                               loop::EventLoop& loop,
                                               const SocketLimits& limits,
                                               Received received) {
    return create_for_parts(
        context,
        loop,
        limits,
        [received = std::move(received)](const Peer& peer,
                                         std::span<const std::string_view> parts) {
            if (parts.size() == 1) {  // more, or none, has no meaning to answer to
                received(peer, parts[0]);
            }
        });
}

Result<std::unique_ptr<Router>> Router::create_for_parts(Context& context,
                                                         loop::EventLoop& loop,
                                                         const SocketLimits& limits,
                                                         ReceivedParts received) {
    try {
        auto impl = std::make_unique<SocketImpl>(context, zmq::socket_type::router, loop);
        impl->limit(limits);
        impl->socket.set(zmq::sockopt::linger, kLastWordsMs);
        impl->socket.set(zmq::sockopt::router_mandatory, 1);
        impl->attach([received = std::move(received)](std::vector<zmq::message_t>& parts) {
            if (parts.size() < 2) {
                return;
            }
            const Peer peer{parts[0].to_string(), key_of(parts[1])};
            std::vector<std::string_view> views;
            views.reserve(parts.size() - 1);
            for (std::size_t i = 1; i < parts.size(); ++i) {
                views.push_back(parts[i].to_string_view());
            }
            received(peer, views);
        });
        return std::unique_ptr<Router>(new Router(std::move(impl)));
    } catch (const zmq::error_t& error) {
        return fail(zmq_error(error, "make a ROUTER"));
    }
}

Result<std::string> Router::bind_curve(const std::string& endpoint, const KeyPair& keys) {
    try {
        impl_->socket.set(zmq::sockopt::curve_server, 1);
        impl_->socket.set(zmq::sockopt::curve_secretkey, keys.secret_key);
        impl_->socket.set(zmq::sockopt::zap_domain, kZapDomain);
        // Without it, a context that has no Authenticator would let everybody in.
        const int enforce = 1;
        if (zmq_setsockopt(impl_->socket.handle(), kEnforceZapDomain, &enforce, sizeof enforce) !=
            0) {
            throw zmq::error_t();
        }
        impl_->socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
        impl_->socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
        auto where = std::make_shared<std::string>();
        impl_->watch_events(ZMQ_EVENT_ACCEPTED,
                            [impl = impl_.get(), where](std::uint16_t, std::uint32_t fd) {
                                if (!os::may_keep(static_cast<int>(fd), os::Callers::Strangers) &&
                                    !impl->pause.active()) {
                                    impl->pause_listening(*where);
                                }
                            });
        impl_->socket.bind(endpoint);
        *where = impl_->socket.get(zmq::sockopt::last_endpoint);
        return *where;
    } catch (const zmq::error_t& error) {
        return fail(zmq_error(error, "bind " + endpoint));
    }
}

bool Router::send(const std::string& route, std::string_view frame) {
    return send_parts(route, {&frame, 1});
}

bool Router::send_parts(const std::string& route, std::span<const std::string_view> parts) {
    try {
        const auto more = zmq::send_flags::dontwait | zmq::send_flags::sndmore;
        if (!impl_->socket.send(zmq::buffer(route), more)) {
            return false;
        }
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const auto flags = i + 1 < parts.size() ? more : zmq::send_flags::dontwait;
            if (!impl_->socket.send(zmq::buffer(parts[i]), flags)) {
                return false;
            }
        }
        return true;
    } catch (const zmq::error_t&) {
        return false;  // EHOSTUNREACH: it has gone
    }
}

Dealer::Dealer(std::unique_ptr<SocketImpl> impl) : impl_(std::move(impl)) {}

Dealer::~Dealer() = default;

Result<std::unique_ptr<Dealer>> Dealer::create(Context& context,
                                               loop::EventLoop& loop,
                                               const SocketLimits& limits,
                                               const Target& target,
                                               Received received) {
    try {
        auto impl = std::make_unique<SocketImpl>(context, zmq::socket_type::dealer, loop);
        impl->limit(limits);
        impl->socket.set(zmq::sockopt::immediate, 1);
        impl->socket.set(zmq::sockopt::connect_timeout, kConnectMs);
        impl->socket.set(zmq::sockopt::reconnect_ivl, 50);
        impl->socket.set(zmq::sockopt::reconnect_ivl_max, 2000);
        if (!target.server_key.empty()) {
            impl->socket.set(zmq::sockopt::curve_serverkey, target.server_key);
            impl->socket.set(zmq::sockopt::curve_publickey, target.own.public_key);
            impl->socket.set(zmq::sockopt::curve_secretkey, target.own.secret_key);
        }
        impl->socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatMs);
        impl->socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
        impl->attach([received = std::move(received)](std::vector<zmq::message_t>& parts) {
            if (parts.size() == 1) {
                received(parts[0].to_string_view());
            }
        });
        if (target.told) {
            impl->watch_events(kWatchedEvents,
                               [told = target.told, reader = WayReader()](
                                   std::uint16_t event, std::uint32_t /*value*/) mutable {
                                   if (const auto way = reader.read(event)) {
                                       told(*way);
                                   }
                               });
        }
        impl->socket.connect(target.endpoint);
        return std::unique_ptr<Dealer>(new Dealer(std::move(impl)));
    } catch (const zmq::error_t& error) {
        return fail(zmq_error(error, "connect to " + target.endpoint));
    }
}

bool Dealer::send(std::string_view frame) {
    try {
        return impl_->socket.send(zmq::buffer(frame), zmq::send_flags::dontwait).has_value();
    } catch (const zmq::error_t&) {
        return false;
    }
}

Authenticator::Authenticator(std::unique_ptr<SocketImpl> impl) : impl_(std::move(impl)) {}

Authenticator::~Authenticator() = default;

Result<std::unique_ptr<Authenticator>> Authenticator::create(Context& context,
                                                             loop::EventLoop& loop,
                                                             Allowed allowed,
                                                             Refused refused) {
    try {
        auto impl = std::make_unique<SocketImpl>(context, zmq::socket_type::rep, loop);
        impl->socket.set(zmq::sockopt::linger, 0);
        impl->socket.bind("inproc://zeromq.zap.01");
        zmq::socket_t& socket = impl->socket;
        // version, request id, domain, address, identity, mechanism, credentials (RFC 27)
        impl->attach([&socket, allowed = std::move(allowed), refused = std::move(refused)](
                         std::vector<zmq::message_t>& parts) {
            ENSURE(parts.size() >= 6, "ZeroMQ itself makes these requests");
            std::string key;
            const bool curve =
                parts[5].to_string_view() == "CURVE" && parts.size() == 7 && parts[6].size() == 32;
            if (curve) {
                std::string text(41, '\0');
                (void)zmq_z85_encode(
                    text.data(), parts[6].data<std::uint8_t>(), 32);  // 32 is divisible by 4
                text.resize(40);
                key = text;
            }
            const bool granted = curve && parts[2].to_string_view() == kZapDomain && allowed(key);
            if (!granted) {
                refused(key, parts[3].to_string());
            }
            const auto reply = [&socket](std::string_view part, bool last) {
                (void)socket.send(
                    zmq::buffer(part),
                    last ? zmq::send_flags::none : zmq::send_flags::sndmore);  // inproc
            };
            reply("1.0", false);
            reply(parts[1].to_string_view(), false);
            reply(granted ? "200" : "400", false);
            reply(granted ? "OK" : "this key is not allowed here", false);
            reply(granted ? key : "", false);
            reply("", true);
        });
        return std::unique_ptr<Authenticator>(new Authenticator(std::move(impl)));
    } catch (const zmq::error_t& error) {
        return fail(zmq_error(error, "bind the ZAP handler"));
    }
}

}  // namespace berth::bus
