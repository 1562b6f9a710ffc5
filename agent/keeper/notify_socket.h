#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "agent/keeperlink/messages.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// One datagram of sd_notify(3), and the process that the kernel says has sent it.
struct Notification {
    pid_t pid = 0;
    keeperlink::Notified message;  // without its run
    // What came with it, closed when it has been dealt with: with BARRIER=1 a sender waits for that
    // before it ends, since who has gone cannot be recognised (sd_notify_barrier(3)).
    std::vector<os::UniqueFd> held;
};

// What the lines of a datagram say. Unknown ones are passed over.
keeperlink::Notified parse_notification(std::string_view text);

// The socket behind an app's NOTIFY_SOCKET: abstract, so that an app of another user reaches it
// although the home is closed to it, and so that the keeper after this one can bind it again.
class NotifySocket {
public:
    // The name without the leading NUL, which NOTIFY_SOCKET writes as @.
    static std::string name(const std::string& home_id, const keeperlink::RunName& run);

    static Result<NotifySocket> open(loop::EventLoop& loop,
                                     const std::string& name,
                                     std::function<void(const Notification&)> said);

private:
    NotifySocket(os::UniqueFd fd, loop::Registration watch)
        : fd_(std::move(fd)), watch_(std::move(watch)) {}

    os::UniqueFd fd_;
    loop::Registration watch_;
};

}  // namespace berth::keeper
