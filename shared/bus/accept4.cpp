#include "shared/bus/accept4.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "shared/log/log.h"
#include "shared/os/accept.h"
#include "shared/os/os_error.h"

namespace berth::bus {

namespace {

constexpr timespec kNap = {0, 10'000'000};

// Only our own programs can reach a unix socket that ZeroMQ listens on, see Router::bind_local().
os::Callers callers_of(int listening) {
    int domain = 0;
    socklen_t length = sizeof domain;
    const bool local =
        ::getsockopt(listening, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
    return local ? os::Callers::Commanders : os::Callers::Strangers;
}

int accept_for_zmq(int listening, sockaddr* address, socklen_t* length, int flags) {
    static log::Seldom told;
    os::Acceptance outcome =
        os::accept_connection(listening, address, length, flags, callers_of(listening));
    if (outcome.socket.valid()) {
        return outcome.socket.release();
    }
    if (!outcome.turned_away &&
        (outcome.os_errno == EAGAIN || !os::means_exhausted(outcome.os_errno))) {
        errno = outcome.os_errno;
        return -1;
    }
    if (told.due()) {
        log::warning("hardly any descriptors are left: a connection was turned away");
    }
    if (!outcome.turned_away) {
        (void)::nanosleep(&kNap, nullptr);  // it waits, and would be tried again at once
    }
    errno = ECONNABORTED;
    return -1;
}

}  // namespace

void use_own_accept4() {}

}  // namespace berth::bus

// In place of the C library's, in this whole program.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the other is glibc's
extern "C" __attribute__((visibility("default"))) int accept4(int listening,
                                                              sockaddr* address,
                                                              socklen_t* length,
                                                              int flags) {
    return berth::bus::accept_for_zmq(listening, address, length, flags);
}
