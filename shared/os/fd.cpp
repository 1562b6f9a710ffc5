#include "shared/os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/ensure.h"
#include "shared/os/os_error.h"

namespace berth::os {

void UniqueFd::reset(int fd) {
    if (fd_ >= 0) {
        (void)::close(fd_);  // EIO here would be for data that nobody waits for
    }
    fd_ = fd;
}

Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) {
        return fail(last_error(path));
    }
    return UniqueFd(fd);
}

Result<UniqueFd> make_eventfd() {
    const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return fail(last_error("eventfd"));
    }
    return UniqueFd(fd);
}

Result<FdPair> make_socketpair(SocketKind kind) {
    int fds[2] = {-1, -1};
    const int type = kind == SocketKind::Stream ? SOCK_STREAM : SOCK_SEQPACKET;
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) {
        return fail(last_error("socketpair"));
    }
    return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<FdPair> make_pipe() {
    int fds[2] = {-1, -1};
    if (::pipe2(fds, O_CLOEXEC) != 0) {
        return fail(last_error("pipe"));
    }
    return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<void> set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return fail(last_error("fcntl"));
    }
    return {};
}

UniqueFd take_inherited(int fd) {
    (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);  // fails on one that is not open: reading will say so
    return UniqueFd(fd);
}

void close_others(int keep) {
    constexpr unsigned kFirst = 3;
    if (keep < static_cast<int>(kFirst)) {
        (void)::close_range(kFirst, ~0U, 0);  // cannot fail on a kernel that has it (5.9)
        return;
    }
    const auto kept = static_cast<unsigned>(keep);
    if (kept > kFirst) {
        (void)::close_range(kFirst, kept - 1, 0);
    }
    (void)::close_range(kept + 1, ~0U, 0);
}

Result<UniqueFd> make_signalfd(const std::vector<int>& signals) {
    sigset_t set;
    (void)sigemptyset(&set);
    for (const int signal : signals) {
        (void)sigaddset(&set, signal);
    }
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) {
        return fail(last_error("sigprocmask"));
    }
    const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return fail(last_error("signalfd"));
    }
    return UniqueFd(fd);
}

std::optional<PendingSignal> next_signal(int signalfd) {
    signalfd_siginfo info{};
    const ssize_t size = ::read(signalfd, &info, sizeof info);
    if (size != static_cast<ssize_t>(sizeof info)) {
        return std::nullopt;  // EAGAIN: no more of them
    }
    return PendingSignal{static_cast<int>(info.ssi_signo), static_cast<int>(info.ssi_pid)};
}

IoOutcome read_some(int fd, char* buffer, std::size_t size) {
    for (;;) {
        const ssize_t got = ::read(fd, buffer, size);
        if (got > 0) {
            return {IoStatus::Done, static_cast<std::size_t>(got), 0};
        }
        if (got == 0) {
            return {IoStatus::Closed, 0, 0};
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN) {
            return {IoStatus::WouldBlock, 0, 0};
        }
        return {IoStatus::Failed, 0, errno};
    }
}

IoOutcome write_some(int fd, std::string_view data) {
    for (;;) {
        const ssize_t put = ::write(fd, data.data(), data.size());
        if (put >= 0) {
            return {IoStatus::Done, static_cast<std::size_t>(put), 0};
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN) {
            return {IoStatus::WouldBlock, 0, 0};
        }
        return {errno == EPIPE ? IoStatus::Closed : IoStatus::Failed, 0, errno};
    }
}

IoOutcome send_some(int fd, std::string_view data) {
    for (;;) {
        const ssize_t put = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (put >= 0) {
            return {IoStatus::Done, static_cast<std::size_t>(put), 0};
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EAGAIN) {
            return {IoStatus::WouldBlock, 0, 0};
        }
        const bool closed = errno == EPIPE || errno == ECONNRESET;
        return {closed ? IoStatus::Closed : IoStatus::Failed, 0, errno};
    }
}

void signal_eventfd(int fd) {
    const std::uint64_t one = 1;
    const ssize_t put = ::write(fd, &one, sizeof one);
    ENSURE(put == static_cast<ssize_t>(sizeof one) || errno == EAGAIN,
           "an eventfd takes eight bytes");
}

void clear_eventfd(int fd) {
    std::uint64_t count = 0;
    (void)::read(fd, &count, sizeof count);  // EAGAIN: it was clear
}

Result<std::optional<UniqueFd>> try_lock_file(const std::string& path) {
    BERTH_TRY(UniqueFd fd, open_file(path, O_RDWR | O_CREAT, 0600));

    struct flock lock {};

    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0) {
        return std::optional<UniqueFd>(std::move(fd));
    }
    if (errno == EAGAIN || errno == EACCES) {
        return std::optional<UniqueFd>();
    }
    return fail(last_error("lock " + path));
}

bool is_locked(const std::string& path) {
    const auto fd = open_file(path, O_RDWR);
    if (!fd) {
        return false;
    }

    struct flock lock {};

    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return ::fcntl(fd->get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

Result<UniqueFd> lock_file(const std::string& path) {
    BERTH_TRY(UniqueFd fd, open_file(path, O_RDWR | O_CREAT, 0600));

    struct flock lock {};

    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    while (::fcntl(fd.get(), F_OFD_SETLKW, &lock) != 0) {
        if (errno != EINTR) {
            return fail(last_error("lock " + path));
        }
    }
    return fd;
}

}  // namespace berth::os
