#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/bus/socket.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/control.h"

namespace berth::cli {

// Talks to one local agent. One thread; ask() runs the loop until the answer is there.
class Client {
public:
    // AGENT_HOME is <home>/agents/NAME. Waits while the agent is just being started again by its
    // keeper. Error: Unavailable, with what to do.
    static Result<std::unique_ptr<Client>> connect(loop::EventLoop& loop,
                                                   bus::Context& context,
                                                   const std::string& agent_home);

    // The reply's info. Errors: what the agent says; TimedOut; Unavailable, at once when the agent
    // that was asked has ended. `interrupted` ends it too, when somebody sets it.
    Result<wire::Value> ask(const std::string& verb,
                            wire::Value args,
                            Duration timeout = std::chrono::seconds(15),
                            const bool* interrupted = nullptr);

    // The agent that was asked last ended before it answered.
    [[nodiscard]] bool lost() const { return lost_; }

    // Sends and returns; `answered` is called from the loop, once.
    using Answered = std::function<void(Result<wire::Value>)>;
    void send(const std::string& verb, wire::Value args, Answered answered);

private:
    Client(loop::EventLoop& loop, std::string agent_home)
        : loop_(loop), agent_home_(std::move(agent_home)) {}

    void received(std::string_view frame);

    loop::EventLoop& loop_;
    std::string agent_home_;
    std::unique_ptr<bus::Dealer> dealer_;
    std::map<std::uint64_t, Answered> pending_;
    std::uint64_t next_ = 1;
    bool lost_ = false;
};

}  // namespace berth::cli
