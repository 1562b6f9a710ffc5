#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// Moves what an app writes to one FIFO, or to its terminal, from the descriptor to a sink.
//
// A line that comes alone is read at once. When an app writes all the time the pump naps after each
// short read, from 1 ms to 8 ms, so that it finds a large piece and not a line; its FIFO gets
// larger when it fills, or the app would wait for us. No turn of the loop moves more than
// kTurnBytes, so a flood holds nobody up. Owned by a Run, in the keeper's thread; may not be moved
// while it is watched.
class StreamPump {
public:
    using Sink = std::function<void(std::string_view bytes)>;
    enum class Kind : std::uint8_t { Fifo, Terminal };

    static constexpr std::size_t kTurnBytes = 512U << 10U;
    static constexpr int kLargeFifo = 1 << 20;

    // `buffer` is shared by all pumps and is used within a call only.
    StreamPump(loop::EventLoop& loop, std::string& buffer, os::UniqueFd fd, Kind kind, Sink sink);
    StreamPump(const StreamPump&) = delete;
    StreamPump& operator=(const StreamPump&) = delete;

    // Begins to read, from the loop.
    void watch();

    // Moves all that is in there now, and no more: one that goes on writing cannot hold it up.
    void drain();

    [[nodiscard]] const os::UniqueFd& fd() const { return fd_; }

private:
    void readable();
    void nap();
    void enlarge();

    loop::EventLoop& loop_;
    std::string& buffer_;
    os::UniqueFd fd_;
    Kind kind_;
    Sink sink_;
    std::size_t capacity_ = 64U << 10U;  // what the kernel gives a FIFO at first
    bool enlarged_ = false;
    Duration nap_;  // how long the next one is
    MonoTime last_read_;
    loop::Registration watch_;
    loop::Registration wake_;
};

}  // namespace berth::keeper
