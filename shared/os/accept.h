#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "shared/os/unique_fd.h"

namespace berth::os {

// Whose connections a socket takes. Of the descriptors that this process may open (RLIMIT_NOFILE),
// those of strangers leave a quarter free, and those of who may command it an eighth: it can be
// told to stop something when others have taken all they get, and still open what it needs for
// that.
enum class Callers : std::uint8_t { Strangers, Commanders };

struct Acceptance {
    UniqueFd socket;  // not valid: none was taken
    // One was taken and closed: its descriptor was of those that are kept free. Without this it
    // would wait, and the socket would be readable for ever.
    bool turned_away = false;
    int os_errno = 0;  // why none was taken; EMFILE and the like only when not even this could be
};

// accept4(2) on these terms. `address` and `length` may be null. Any thread.
Acceptance accept_connection(
    int listening, sockaddr* address, socklen_t* length, int flags, Callers callers);

// Whether `fd` leaves the last `reserve` numbers of those that this process may open. When
// everybody but a few keeps what this allows, those few find a free one.
bool leaves_free(int fd, std::uint64_t reserve);

// Whether a connection of these callers with this descriptor leaves free what it has to.
bool may_keep(int fd, Callers callers);

// The same of the next connection.
bool may_take_more(Callers callers);

}  // namespace berth::os
