#pragma once

#include <span>
#include <string_view>

namespace berth::zmtp {

// What is done with what comes over one connection. Owned by it. Loop thread.
class Peer {
public:
    Peer() = default;
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    virtual ~Peer() = default;

    // Messages may be sent from now on.
    virtual void ready() {}

    // The parts are valid during the call.
    virtual void received(std::span<const std::string_view> parts) = 0;

    // A message that was over a limit has been read past; `header` is its first part, if that was
    // within its own limit.
    virtual void too_large(std::string_view header) = 0;

    // The backlog is small again.
    virtual void drained() {}

    // The other side takes nothing any more; what it sent before is still received.
    virtual void deafened() {}

    // The connection has ended, once; nothing is called after it.
    virtual void ended() = 0;
};

}  // namespace berth::zmtp
