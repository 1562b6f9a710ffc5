#include "agent/relay/client/curve_endpoint.h"

#include "shared/log/log.h"
#include "shared/wire/append.h"
#include "shared/zmtp/codec.h"

namespace berth::relay {

namespace {

constexpr Duration kTick = std::chrono::seconds(10);
constexpr int kQueue = 4000;  // messages to one peer: its window and the answers it has asked for

}  // namespace

// A client on another machine.
class CurveEndpoint::Remote : public Link {
public:
    Remote(CurveEndpoint& endpoint, std::string route)
        : endpoint_(endpoint),
          route_(std::move(route)),
          session_(&endpoint.relay_.connected(*this)) {}

    void send(std::span<const std::string_view> parts) override {
        // Gone, or it does not read: either way it has to connect anew.
        if (!dead_ && !endpoint_.router_->send_parts(route_, parts)) {
            close();
        }
    }

    [[nodiscard]] std::size_t backlog() const override {
        return 0;
    }  // libzmq keeps it, up to kQueue

    void authenticated() override { limits_ = zmtp::Limits(); }

    void close() override {
        dead_ = true;
        endpoint_.any_dead_ = true;
    }

    // libzmq bounds each frame; here the message is.
    [[nodiscard]] bool within_limits(std::span<const std::string_view> parts) const {
        std::size_t total = 0;
        for (const std::string_view part : parts) {
            total += part.size();
        }
        return parts[0].size() <= limits_.header && total <= limits_.message &&
               parts.size() <= limits_.parts;
    }

    [[nodiscard]] bool dead() const { return dead_; }

    [[nodiscard]] Session& session() { return *session_; }

private:
    CurveEndpoint& endpoint_;
    std::string route_;
    Session* session_;
    zmtp::Limits limits_{4096, 4096, 8192, 2};
    bool dead_ = false;
};

Result<std::unique_ptr<CurveEndpoint>> CurveEndpoint::create(loop::EventLoop& loop,
                                                             Broker& relay,
                                                             const CurveOptions& options) {
    std::unique_ptr<CurveEndpoint> endpoint(new CurveEndpoint(loop, relay, options));
    CurveEndpoint& self = *endpoint;
    BERTH_TRY(self.authenticator_,
              bus::Authenticator::create(
                  self.context_,
                  loop,
                  [&self](const std::string& key) { return self.options_.allowed.count(key) != 0; },
                  [](const std::string& key, const std::string& address) {
                      log::warning("refused a client whose key is not allowed here",
                                   {{"key", key}, {"address", address}});
                  }));
    BERTH_TRY(self.router_,
              bus::Router::create_for_parts(
                  self.context_,
                  loop,
                  {static_cast<std::int64_t>(zmtp::Limits().frame), kQueue},
                  [&self](const bus::Peer& peer, std::span<const std::string_view> parts) {
                      self.received(peer, parts);
                  }));
    BERTH_TRY(self.endpoint_, self.router_->bind_curve(options.endpoint, options.keys));
    return endpoint;
}

CurveEndpoint::CurveEndpoint(loop::EventLoop& loop, Broker& relay, CurveOptions options)
    : loop_(loop),
      relay_(relay),
      options_(std::move(options)),
      hook_(loop.before_sleep([this] { return bury(); })) {}

CurveEndpoint::~CurveEndpoint() {
    for (auto& [route, remote] : remotes_) {
        relay_.disconnected(remote->session());
    }
    remotes_.clear();
}

void CurveEndpoint::received(const bus::Peer& peer, std::span<const std::string_view> parts) {
    auto& slot = remotes_[peer.route];
    if (slot == nullptr) {
        slot = std::make_unique<Remote>(*this, peer.route);
        if (!tick_.active()) {
            tick_ = loop_.after(kTick, [this] { tick(); });
        }
    }
    if (slot->dead()) {
        return;  // what it says now, it says to a connection that has ended
    }
    if (!slot->within_limits(parts)) {
        return relay_.too_large(slot->session(), parts[0]);
    }
    relay_.received(slot->session(), parts);
}

void CurveEndpoint::tick() {
    std::string header;
    wire::append_array(header, 4);
    wire::append_whole(header, kIpcVersion);
    wire::append_whole(header, 0);
    wire::append_text(header, "tick");
    wire::append_map(header, 0);
    const std::string_view part = header;
    for (auto& [route, remote] : remotes_) {
        remote->send({&part, 1});
    }
    tick_ = remotes_.empty() ? loop::Registration() : loop_.after(kTick, [this] { tick(); });
}

bool CurveEndpoint::bury() {
    if (!any_dead_) {
        return false;
    }
    any_dead_ = false;
    std::erase_if(remotes_, [this](auto& entry) {
        if (!entry.second->dead()) {
            return false;
        }
        relay_.disconnected(entry.second->session());
        return true;
    });
    return true;  // what it held waits again
}

}  // namespace berth::relay
