#pragma once

#include <cstddef>

#include "shared/loop/event_loop.h"

namespace berth::loop {

// Gives freed memory back to the kernel some seconds after a burst of work: glibc keeps what lies
// below a piece that is still in use. Without a burst there is no timer, so an idle process is not
// woken. For the loop's thread; what it gives back is of all threads.
class HeapTrimmer {
public:
    // A burst is `burst` pieces of work, whatever a piece is to the caller.
    HeapTrimmer(EventLoop& loop, std::size_t burst, Duration pause = std::chrono::seconds(3))
        : loop_(loop), burst_(burst), pause_(pause) {}

    // `pieces` more were done.
    void worked(std::size_t pieces);

private:
    void trim();

    EventLoop& loop_;
    std::size_t burst_;
    Duration pause_;
    std::size_t done_ = 0;
    Registration timer_;
};

}  // namespace berth::loop
