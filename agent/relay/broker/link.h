#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace berth::relay {

// One connection of a client, as the relay sees it, whatever it comes over. Relay thread.
class Link {
public:
    Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    virtual ~Link() = default;

    // Queues one message. It goes out at the end of the turn.
    virtual void send(std::span<const std::string_view> parts) = 0;

    // How many bytes the peer has not taken yet.
    [[nodiscard]] virtual std::size_t backlog() const = 0;

    // The peer has said who it is: what it may send grows.
    virtual void authenticated() = 0;

    // Ends the connection soon; the relay is told through Broker::disconnected().
    virtual void close() = 0;
};

}  // namespace berth::relay
