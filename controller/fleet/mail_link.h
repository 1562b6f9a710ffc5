#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "controller/fleet/agent_link.h"
#include "shared/wire/mail.h"

namespace berth::fleet {

// A connection to one agent that carries messages between apps, beside its AgentLink. It says hello
// until the agent answers, then asks once a second whether it still lives. Fleet loop thread; owned
// by the MailRouter.
class MailLink {
public:
    static constexpr Duration kSilence = std::chrono::milliseconds(3500);

    // Bytes that may be on their way to the agent, beyond one frame.
    static constexpr std::uint64_t kWindow = 32U << 20U;

    struct Listener {
        // It is open now, or not any more. An agent that was started again is both, one after the
        // other.
        std::function<void(bool open)> changed;
        std::function<void(const wire::MailFrame& mail)> received;  // for other agents
    };

    MailLink(loop::EventLoop& loop, Connect connect, wire::MailHello hello, Listener listener);
    MailLink(const MailLink&) = delete;
    MailLink& operator=(const MailLink&) = delete;

    void start();

    [[nodiscard]] bool open() const { return open_; }

    // Whether its apps want events of this agent.
    [[nodiscard]] bool listens_to(const std::string& agent) const;

    // False: it is not open (any more), or too much is on its way.
    bool send(wire::MailKind kind, std::string_view peer, std::string_view body);

private:
    void check();
    void say_hello();
    void received(std::string_view frame);
    void set_open(bool open);

    loop::EventLoop& loop_;
    Connect connect_;
    wire::MailHello hello_;
    Listener listener_;
    std::unique_ptr<Transport> transport_;
    bool open_ = false;
    std::uint64_t sent_ = 0;   // bytes since hello
    std::uint64_t got_ = 0;    // of those, what the agent has taken in
    std::uint64_t taken_ = 0;  // bytes of the agent since its welcome
    MonoTime begun_;
    MonoTime heard_;
    std::set<std::string> listens_;
    loop::Registration check_;
};

}  // namespace berth::fleet
