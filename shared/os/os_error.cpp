#include "shared/os/os_error.h"

#include <errno.h>
#include <string.h>

#include <array>

namespace berth::os {

namespace {

ErrorCode code_of(int number) {
    switch (number) {
        case ENOENT:
        case ENOTDIR:
        case ESRCH:
            return ErrorCode::NotFound;
        case EEXIST:
            return ErrorCode::AlreadyExists;
        case EACCES:
        case EPERM:
        case EROFS:
            return ErrorCode::PermissionDenied;
        case ENOSPC:
        case EDQUOT:
        case EMFILE:
        case ENFILE:
        case ENOMEM:
            return ErrorCode::Exhausted;
        case EAGAIN:
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
            return ErrorCode::Unavailable;
        default:
            return ErrorCode::Io;
    }
}

}  // namespace

std::string error_text(int number) {
    std::array<char, 128> buffer{};
    return strerror_r(number, buffer.data(), buffer.size());
}

bool means_exhausted(int number) {
    return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS ||
           number == EAGAIN;
}

Error error_of(int number, const std::string& context) {
    return Error{code_of(number), context + ": " + error_text(number), number};
}

Error last_error(const std::string& context) {
    const int number = errno;
    return error_of(number, context);
}

}  // namespace berth::os
