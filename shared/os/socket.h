#pragma once

#include <cstdint>
#include <string>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::os {

// "HOST:PORT" or "[V6]:PORT", taken apart. The host must be a numeric address or "localhost".
struct TcpAddress {
    std::string host;
    std::uint16_t port = 0;

    // Whether only this machine can reach it.
    [[nodiscard]] bool is_loopback() const;

    // As in a URL: an IPv6 host in brackets.
    [[nodiscard]] std::string text() const;
};

Result<TcpAddress> parse_tcp_address(const std::string& text);

// A listening, non-blocking TCP socket; port 0 takes a free one.
Result<UniqueFd> listen_tcp(const TcpAddress& address, int backlog);

// The port that a socket is bound to.
Result<std::uint16_t> bound_port(const UniqueFd& socket);

// The outcome of one accept. `address` is the peer's numeric host. TurnedAway: see
// accept_connection(). NoDescriptors: it waits still.
enum class AcceptStatus : std::uint8_t { Accepted, Nothing, TurnedAway, NoDescriptors };

struct Accepted {
    AcceptStatus status = AcceptStatus::Nothing;
    UniqueFd socket;  // non-blocking, without Nagle's delay
    std::string address;
};

// The next of the strangers that wait. Never blocks. Connections that broke before they were
// accepted are passed over.
Accepted accept_tcp(const UniqueFd& listening);
Accepted accept_unix(const UniqueFd& listening);

// The same of those who may command this process, see Callers.
Accepted accept_commander(const UniqueFd& listening);

// Tells the peer that nothing more is sent.
void shut_down_sending(const UniqueFd& socket);

// Lets the peer see its end as a failure, and not as the end of what was sent.
void reset_when_closed(const UniqueFd& socket);

// A blocking connection, for tests and for asking ourselves.
Result<UniqueFd> connect_tcp(const TcpAddress& address);

// A non-blocking connection under way: writable once connect_error() is known.
Result<UniqueFd> begin_connect_tcp(const TcpAddress& address);

// What came of it; 0: it stands.
int connect_error(const UniqueFd& socket);

// The first address of a host by its name, numeric. Blocks: asks the name service.
Result<std::string> resolve_host(const std::string& host);

// Lets this process open as many descriptors as the system allows it; gives how many those are.
std::uint64_t raise_descriptor_limit();

}  // namespace berth::os
