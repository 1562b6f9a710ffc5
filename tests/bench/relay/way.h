#pragma once

#include <cstddef>
#include <string>

namespace berth::bench {

struct Spec {
    std::string via;
    std::string endpoint;
    std::string app;
    std::string secret;
    std::string to;
    std::size_t count = 0;
    std::size_t size = 0;
    std::size_t frames = 1;
    bool durable = false;
};

// What both ways of sending offer.
class Way {
public:
    Way() = default;
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;
    virtual ~Way() = default;

    virtual void send(const std::string& payload) = 0;  // returns before it is acknowledged
    virtual void drain(std::size_t unanswered) = 0;     // waits until at most so many are not
    virtual std::string receive() = 0;                  // the next message
    virtual std::size_t receive_many() = 0;             // as many as there are; at least one
    virtual void reply(const std::string& payload) = 0;
};

}  // namespace berth::bench
