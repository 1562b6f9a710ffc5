#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/keeperlink/messages.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeperlink {

// One end of the socketpair between agent and keeper, on the owner's loop. Frames that cannot be
// written at once wait in memory: each run has at most a handful of facts, so that is bounded.
class Link {
public:
    using Received = std::function<void(const Message&)>;

    // Called once, from the loop, when the other side has gone or sent what cannot be understood
    // (`why`; WrongState: its version is another). The link is of no use then; it may be destroyed
    // in the callback.
    using Closed = std::function<void(const Error& why)>;

    // The owner sends Hello first.
    Link(loop::EventLoop& loop, os::UniqueFd socket, Received received, Closed closed);

    void send(const Message& message);

    // Tries to write what waits; for the last words before an exit.
    void flush();

private:
    void readable();
    void fail_link(const Error& why);

    loop::EventLoop& loop_;
    os::UniqueFd socket_;
    Received received_;
    Closed closed_;
    FrameBuffer incoming_;
    std::string outgoing_;
    bool waits_to_write_ = false;
    bool greeted_ = false;
    loop::Registration watch_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace berth::keeperlink
