#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "shared/base/enum_names.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::fleet {

// How one agent is seen. `Refused`: it answers, but does not let this controller in.
enum class LinkState : std::uint8_t {
    Connected,
    Connecting,
    Unreachable,
    Refused,
    Stopped,  // of an agent of this machine: it does not run. A link never says so, the fleet does
};
inline constexpr auto kLinkStateNames =
    enum_names<LinkState>("connected", "connecting", "unreachable", "refused", "stopped");

// One connection to an agent, replaced by a new one when it goes silent.
class Transport {
public:
    Transport() = default;
    virtual ~Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    // False: not connected yet, or its queue is full.
    virtual bool send(std::string_view frame) = 0;

    // Why it does not come about, as far as that is known; "": nothing is.
    [[nodiscard]] virtual std::string problem() const { return {}; }

    // Whether it is of no use any more and only a new one can be.
    [[nodiscard]] virtual bool is_refused() const { return false; }
};

using Received = std::function<void(std::string_view frame)>;
using Connect = std::function<Result<std::unique_ptr<Transport>>(Received received)>;

// Keeps the picture of one agent up to date: a snapshot, then numbered deltas; a gap in the
// numbers, or a tick that names another one, means: subscribe again. An agent ticks every second;
// one that was silent for kSilence is unreachable, its last known apps stay, and it is tried again
// with a new transport, waiting at most two seconds between tries. A try lasts for kTry, for the
// way may be long. Fleet loop thread; owned by the Fleet.
class AgentLink {
public:
    static constexpr Duration kSilence = std::chrono::milliseconds(2900);
    static constexpr Duration kTry = std::chrono::seconds(8);

    using Answer = std::function<void(Result<wire::Value>)>;

    struct Listener {
        std::function<void()> state_changed;  // or what the agent says of itself
        std::function<void(const std::set<std::string>& ids)> apps_changed;  // or removed
    };

    AgentLink(loop::EventLoop& loop, Connect connect, Listener listener);
    ~AgentLink();
    AgentLink(const AgentLink&) = delete;
    AgentLink& operator=(const AgentLink&) = delete;

    void start();

    // Asks the agent. `answer` is called exactly once, later or at once: with what it said, its
    // error, Unavailable when it was not asked because it is not connected, or TimedOut when no
    // answer came: then it may do, or have done, what it was asked.
    void request(const std::string& verb, wire::Value args, Duration deadline, Answer answer);

    [[nodiscard]] LinkState state() const { return state_; }

    [[nodiscard]] WallTime since() const { return since_; }

    // When the last frame came; nothing before the first one.
    [[nodiscard]] const std::optional<WallTime>& last_seen() const { return last_seen_; }

    // The same in ns, 0 before; for other threads, and for as long as they like.
    [[nodiscard]] std::shared_ptr<const std::atomic<std::int64_t>> heard() const {
        return heard_at_;
    }

    // Why it is not connected; empty when it is.
    [[nodiscard]] const std::string& error() const { return error_; }

    // Nothing before the first snapshot.
    [[nodiscard]] const std::optional<AgentInfo>& info() const { return info_; }

    [[nodiscard]] const std::map<std::string, AppStatus>& apps() const { return apps_; }

private:
    struct Pending {
        Answer answer;
        loop::Registration timeout;
    };

    void connect();
    void subscribe();
    void check();
    void check_at(MonoTime when);
    void say_subscribe(MonoTime now);
    void drop_transport();
    void on_tick(const wire::Value& info);
    [[nodiscard]] wire::Value by_its_clock(wire::Value args) const;
    void note_connection(const wire::Reply& reply);
    void received(std::string_view frame);
    void on_reply(const wire::Reply& reply);
    void on_subscribed(const wire::Reply& reply);
    void on_delta(const wire::Value& info);
    void take_snapshot(const wire::Value& info);
    void update(const wire::Value& app, std::set<std::string>& changed);
    void set_state(LinkState state, std::string error);
    void fail_pending(const Error& error);

    loop::EventLoop& loop_;
    Connect connect_;
    Listener listener_;
    std::unique_ptr<Transport> transport_;
    LinkState state_ = LinkState::Connecting;
    WallTime since_;
    std::optional<WallTime> last_seen_;
    std::shared_ptr<std::atomic<std::int64_t>> heard_at_ =
        std::make_shared<std::atomic<std::int64_t>>(0);
    loop::Registration clock_hook_;
    MonoTime last_frame_;     // or the begin of the present try
    MonoTime last_push_;      // or snapshot
    MonoTime subscribed_at_;  // when the last subscribe was sent
    std::uint32_t tries_ = 0;
    std::string error_;
    std::optional<AgentInfo> info_;
    std::map<std::string, AppStatus> apps_;
    std::uint64_t sequence_ = 0;
    std::uint64_t next_request_ = 1;
    std::set<std::uint64_t> subscriptions_;  // the ids of those that are not answered yet
    std::string connection_;                 // as the agent names the present one
    bool heard_ = false;                     // over the present transport
    Duration clock_ahead_{};  // of the agent's clock before ours, as its last tick said
    std::map<std::uint64_t, Pending> pending_;
    loop::Registration check_;
};

}  // namespace berth::fleet
