#pragma once

#include <string>
#include <string_view>

namespace berth::wire {

// Where answers to frames go, whatever they came over.
class FrameSink {
public:
    FrameSink() = default;
    FrameSink(const FrameSink&) = delete;
    FrameSink& operator=(const FrameSink&) = delete;
    virtual ~FrameSink() = default;

    // `route` is as it came with the frame that is answered. False: the peer is gone, or its queue
    // is full.
    virtual bool send(const std::string& route, std::string_view frame) = 0;
};

}  // namespace berth::wire
