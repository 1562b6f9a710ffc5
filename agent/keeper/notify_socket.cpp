#include "agent/keeper/notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>

#include "shared/base/text.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

namespace {

constexpr std::size_t kMaxDatagram = 4096;
constexpr std::size_t kMaxStatus = 200;
constexpr int kDatagramsPerTurn = 16;
constexpr std::size_t kMaxDescriptors = 4;  // of one datagram

void take_control(const cmsghdr& part, Notification& said) {
    if (part.cmsg_level != SOL_SOCKET) {
        return;
    }
    if (part.cmsg_type == SCM_CREDENTIALS) {
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(&part), sizeof sender);
        said.pid = sender.pid;
    } else if (part.cmsg_type == SCM_RIGHTS) {
        const std::size_t count = (part.cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(&part) + i * sizeof fd, sizeof fd);
            said.held.emplace_back(fd);
        }
    }
}

// The next datagram, nothing when there is none. Of descriptors that come with it, the kernel
// closes those that do not fit into the control buffer.
std::optional<Notification> receive(int fd) {
    std::array<char, kMaxDatagram> data{};
    alignas(cmsghdr)
        std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(kMaxDescriptors * sizeof(int))>
            control{};
    iovec part{data.data(), data.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) {
        return std::nullopt;
    }
    Notification said;
    said.message = parse_notification({data.data(), static_cast<std::size_t>(got)});
    for (cmsghdr* control_part = CMSG_FIRSTHDR(&header); control_part != nullptr;
         control_part = CMSG_NXTHDR(&header, control_part)) {
        take_control(*control_part, said);
    }
    return said;
}

}  // namespace

keeperlink::Notified parse_notification(std::string_view text) {
    keeperlink::Notified message;
    for (const std::string_view line : split(text, '\n')) {
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) {
            continue;
        }
        const std::string_view key = line.substr(0, equals);
        const std::string_view value = line.substr(equals + 1);
        if (key == "READY") {
            message.ready = value == "1";
        } else if (key == "STOPPING") {
            message.stopping = value == "1";
        } else if (key == "WATCHDOG") {
            message.watchdog = value == "1";
            message.watchdog_failed = value == "trigger";
        } else if (key == "EXTEND_TIMEOUT_USEC") {
            (void)std::from_chars(value.data(), value.data() + value.size(), message.extend_usec);
        } else if (key == "STATUS") {
            message.status = value.substr(0, kMaxStatus);
        }
    }
    return message;
}

std::string NotifySocket::name(const std::string& home_id, const keeperlink::RunName& run) {
    return "berth/" + home_id.substr(0, 12) + "/" + run.id + "/" + std::to_string(run.generation);
}

Result<NotifySocket> NotifySocket::open(loop::EventLoop& loop,
                                        const std::string& name,
                                        std::function<void(const Notification&)> said) {
    os::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (name.size() + 1 > sizeof address.sun_path) {
        return fail(ErrorCode::TooLarge, "the name of a notify socket is too long: " + name);
    }
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
        return fail(os::last_error("make the notify socket"));
    }
    const int number = fd.get();
    auto watch =
        loop.watch(number, loop::Interest::Read, [number, said = std::move(said)](bool, bool) {
            for (int i = 0; i < kDatagramsPerTurn; ++i) {
                const auto notification = receive(number);
                if (!notification) {
                    return;
                }
                said(*notification);
            }
        });
    return NotifySocket(std::move(fd), std::move(watch));
}

}  // namespace berth::keeper
