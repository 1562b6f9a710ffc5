#pragma once

#include <functional>

#include "shared/log/log.h"
#include "shared/loop/event_loop.h"
#include "shared/os/socket.h"
#include "shared/os/unique_fd.h"

namespace berth::loop {

// Takes the connections of strangers from a listening socket while it exists. When descriptors are
// scarce they are turned away, and when not even that is possible they wait without keeping the
// loop awake. Loop thread.
class Acceptor {
public:
    using Accept = os::Accepted (*)(const os::UniqueFd& listening);  // os::accept_tcp or its like
    using Taken = std::function<void(os::Accepted accepted)>;        // must not destroy this

    Acceptor(EventLoop& loop, os::UniqueFd listening, Accept accept, Taken taken);
    Acceptor(const Acceptor&) = delete;
    Acceptor& operator=(const Acceptor&) = delete;

private:
    void watch();
    void take();

    EventLoop& loop_;
    os::UniqueFd listening_;
    Accept accept_;
    Taken taken_;
    log::Seldom told_;
    Registration watch_;
    Registration pause_;
};

}  // namespace berth::loop
