#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth {

// What kind of failure it was; decides exit codes, HTTP statuses and message codes.
enum class ErrorCode : std::uint8_t {
    InvalidArgument,   // the request is wrong in itself
    NotFound,          // what it names does not exist
    AlreadyExists,     // what it would make exists
    WrongState,        // right request, wrong moment ("must be active")
    PermissionDenied,  // not allowed for this actor, or by the system
    Unauthenticated,   // who is asking is not known
    TooLarge,          // over a limit
    Exhausted,         // a bounded thing is full
    Unavailable,       // the other side is not there, try again
    TimedOut,          // the deadline passed
    Io,                // the system refused (os_errno says why)
    Internal,          // our own fault
};

// An expected failure. `message` is a sentence without a final full stop, built outside-in with
// context; ids stand in quotes.
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
    int os_errno = 0;

    // The same failure with `context: ` put before the message.
    [[nodiscard]] Error within(std::string_view context) const;
};

}  // namespace berth
