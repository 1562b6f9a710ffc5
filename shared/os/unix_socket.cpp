#include "shared/os/unix_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "shared/os/os_error.h"

namespace berth::os {

namespace {

Result<sockaddr_un> unix_address(const std::string& path) {
    sockaddr_un address{};
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorCode::TooLarge,
                    path + ": longer than the " + std::to_string(sizeof address.sun_path - 1) +
                        " bytes that a unix socket's path may have");
    }
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Result<UniqueFd> listen_unix(const std::string& path, int backlog) {
    BERTH_TRY(const sockaddr_un address, unix_address(path));
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.valid()) {
        return fail(last_error("socket"));
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return fail(last_error(path));
    }
    if (::bind(socket.get(), generic(address), sizeof address) != 0 ||
        ::listen(socket.get(), backlog) != 0) {
        return fail(last_error("listen on " + path));
    }
    return socket;
}

Result<UniqueFd> connect_unix(const std::string& path, Blocking blocking) {
    BERTH_TRY(const sockaddr_un address, unix_address(path));
    const int flags = SOCK_STREAM | SOCK_CLOEXEC | (blocking == Blocking::No ? SOCK_NONBLOCK : 0);
    UniqueFd socket(::socket(AF_UNIX, flags, 0));
    if (!socket.valid() || ::connect(socket.get(), generic(address), sizeof address) != 0) {
        return fail(last_error("connect to " + path));
    }
    return socket;
}

}  // namespace berth::os
