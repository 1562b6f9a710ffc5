#include "shared/os/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstring>

#include "shared/os/accept.h"
#include "shared/os/os_error.h"

namespace berth::os {

namespace {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    [[nodiscard]] sockaddr* get() {
        return reinterpret_cast<sockaddr*>(&storage);  // NOLINT: what the socket calls are made for
    }
};

Result<SocketAddress> socket_address(const TcpAddress& address) {
    const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
    SocketAddress result;
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(address.port);
        std::memcpy(&result.storage, &v4, sizeof v4);
        result.length = sizeof v4;
        return result;
    }
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(address.port);
        std::memcpy(&result.storage, &v6, sizeof v6);
        result.length = sizeof v6;
        return result;
    }
    return fail(ErrorCode::InvalidArgument, "\"" + address.host + "\" is no numeric address");
}

std::string host_text(const sockaddr_storage& storage) {
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &storage, sizeof v4);
        (void)::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    } else {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &storage, sizeof v6);
        (void)::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    }
    return text;
}

Accepted accept_from(const UniqueFd& listening,
                     sockaddr* address,
                     socklen_t* length,
                     Callers callers = Callers::Strangers) {
    const socklen_t room = length != nullptr ? *length : 0;
    for (;;) {
        Acceptance outcome =
            accept_connection(listening.get(), address, length, SOCK_NONBLOCK, callers);
        if (outcome.socket.valid()) {
            return {AcceptStatus::Accepted, std::move(outcome.socket), {}};
        }
        if (outcome.turned_away) {
            return {AcceptStatus::TurnedAway, {}, {}};
        }
        const int why = outcome.os_errno;
        if (why != EINTR && why != ECONNABORTED && why != EPROTO) {
            const bool waits = why != EAGAIN && means_exhausted(why);
            return {waits ? AcceptStatus::NoDescriptors : AcceptStatus::Nothing, {}, {}};
        }
        if (length != nullptr) {
            *length = room;
        }
    }
}

}  // namespace

bool TcpAddress::is_loopback() const {
    return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

std::string TcpAddress::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<TcpAddress> parse_tcp_address(const std::string& text) {
    const auto colon = text.rfind(':');
    TcpAddress address;
    if (colon != std::string::npos) {
        address.host = text.substr(0, colon);
        const char* const begin = text.data() + colon + 1;
        const char* const end = text.data() + text.size();
        const auto parsed = std::from_chars(begin, end, address.port);
        if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
            address.host = address.host.substr(1, address.host.size() - 2);
        }
        if (begin != end && parsed.ec == std::errc() && parsed.ptr == end &&
            socket_address(address)) {
            return address;
        }
    }
    return fail(ErrorCode::InvalidArgument,
                "\"" + text + "\" is no address: a numeric HOST:PORT is, such as 127.0.0.1:6880");
}

Result<UniqueFd> listen_tcp(const TcpAddress& address, int backlog) {
    BERTH_TRY(SocketAddress to, socket_address(address));
    UniqueFd socket(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (!socket.valid() ||
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket.get(), to.get(), to.length) != 0 || ::listen(socket.get(), backlog) != 0) {
        return fail(last_error("listen on " + address.text()));
    }
    return socket;
}

Result<std::uint16_t> bound_port(const UniqueFd& socket) {
    SocketAddress bound;
    bound.length = sizeof bound.storage;
    if (::getsockname(socket.get(), bound.get(), &bound.length) != 0) {
        return fail(last_error("getsockname"));
    }
    // The port is at the same place in both families.
    sockaddr_in v4{};
    std::memcpy(&v4, &bound.storage, sizeof v4);
    return ntohs(v4.sin_port);
}

Accepted accept_tcp(const UniqueFd& listening) {
    SocketAddress peer;
    peer.length = sizeof peer.storage;
    Accepted accepted = accept_from(listening, peer.get(), &peer.length);
    if (accepted.status == AcceptStatus::Accepted) {
        const int on = 1;
        (void)::setsockopt(accepted.socket.get(),
                           IPPROTO_TCP,
                           TCP_NODELAY,
                           &on,
                           sizeof on);  // only slower without
        accepted.address = host_text(peer.storage);
    }
    return accepted;
}

Accepted accept_unix(const UniqueFd& listening) {
    return accept_from(listening, nullptr, nullptr);
}

Accepted accept_commander(const UniqueFd& listening) {
    return accept_from(listening, nullptr, nullptr, Callers::Commanders);
}

void reset_when_closed(const UniqueFd& socket) {
    const struct linger linger { 1, 0 };

    // Of a socket that has gone nobody sees how it ends.
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void shut_down_sending(const UniqueFd& socket) {
    (void)::shutdown(socket.get(), SHUT_WR);  // fails when the peer has gone
}

Result<UniqueFd> connect_tcp(const TcpAddress& address) {
    BERTH_TRY(SocketAddress to, socket_address(address));
    UniqueFd socket(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid() || ::connect(socket.get(), to.get(), to.length) != 0) {
        return fail(last_error("connect to " + address.text()));
    }
    return socket;
}

Result<UniqueFd> begin_connect_tcp(const TcpAddress& address) {
    BERTH_TRY(SocketAddress to, socket_address(address));
    UniqueFd socket(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid() ||
        (::connect(socket.get(), to.get(), to.length) != 0 && errno != EINPROGRESS)) {
        return fail(last_error("connect to " + address.text()));
    }
    return socket;
}

int connect_error(const UniqueFd& socket) {
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

Result<std::string> resolve_host(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (failure == EAI_SYSTEM) {
        return fail(last_error("look up \"" + host + "\""));
    }
    if (failure != 0) {
        return fail(ErrorCode::NotFound, "\"" + host + "\" is unknown: " + ::gai_strerror(failure));
    }
    std::array<char, NI_MAXHOST> text{};
    const int named = ::getnameinfo(
        found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    ::freeaddrinfo(found);
    if (named != 0) {
        return fail(ErrorCode::NotFound, "\"" + host + "\": " + ::gai_strerror(named));
    }
    return std::string(text.data());
}

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return before;
    }
    return limit.rlim_cur;
}

}  // namespace berth::os
