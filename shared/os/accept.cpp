#include "shared/os/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>

#include "shared/base/guarded.h"
#include "shared/os/os_error.h"

namespace berth::os {

namespace {

UniqueFd accept_any(int listening, sockaddr* address, socklen_t* length, int flags) {
    return UniqueFd(::accept4(listening, address, length, flags | SOCK_CLOEXEC));
}

UniqueFd open_spare() {
    return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

// Given up for a moment to take a connection that nothing else is left for. One for all threads.
Guarded<UniqueFd>& spare() {
    static Guarded<UniqueFd> fd(std::in_place, open_spare());
    return fd;
}

std::uint64_t descriptor_limit() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

}  // namespace

bool leaves_free(int fd, std::uint64_t reserve) {
    return static_cast<std::uint64_t>(fd) + reserve < descriptor_limit();
}

bool may_keep(int fd, Callers callers) {
    return leaves_free(fd, descriptor_limit() / (callers == Callers::Strangers ? 4 : 8));
}

bool may_take_more(Callers callers) {
    const UniqueFd next = open_spare();
    return next.valid() && may_keep(next.get(), callers);
}

Acceptance accept_connection(
    int listening, sockaddr* address, socklen_t* length, int flags, Callers callers) {
    Guarded<UniqueFd>& kept = spare();
    Acceptance outcome;
    outcome.socket = accept_any(listening, address, length, flags);
    outcome.os_errno = outcome.socket.valid() ? 0 : errno;
    if (outcome.os_errno != EAGAIN && means_exhausted(outcome.os_errno)) {
        kept.with([&](UniqueFd& fd) {
            fd.reset();
            outcome.turned_away = accept_any(listening, nullptr, nullptr, flags).valid();
            fd = open_spare();
        });
    } else if (outcome.socket.valid() && !may_keep(outcome.socket.get(), callers)) {
        outcome.socket.reset();
        outcome.turned_away = true;
    }
    return outcome;
}

}  // namespace berth::os
