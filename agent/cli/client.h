#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/instance.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/control.h"
#include "shared/zmtp/dealer.h"

namespace berth::cli {

// Talks to one agent: one of this home over its own socket, one of another machine through the
// controller of this home. One thread; ask() runs the loop until the answer is there.
class Client {
public:
    // AGENT_HOME is <home>/agents/NAME. Waits while the agent is just being started again by its
    // keeper. Error: Unavailable, with what to do.
    static Result<std::unique_ptr<Client>> connect(loop::EventLoop& loop,
                                                   const std::string& agent_home);

    // HOME is the home of a controller that runs; AGENT as it calls it, "": the controller itself.
    // Error: Unavailable, no controller runs there.
    static Result<std::unique_ptr<Client>> connect_through(loop::EventLoop& loop,
                                                           const std::string& home,
                                                           const std::string& agent);

    // The reply's info. Errors: what the agent says; TimedOut; Unavailable, at once when the agent
    // that was asked has ended. `interrupted` ends it too, when somebody sets it.
    Result<wire::Value> ask(const std::string& verb,
                            wire::Value args,
                            Duration timeout = std::chrono::seconds(15),
                            const bool* interrupted = nullptr);

    // The agent that was asked last ended before it answered.
    [[nodiscard]] bool lost() const { return lost_; }

    // Sends and returns; `answered` is called from the loop, once. `timeout`: how long a controller
    // waits for its agent.
    using Answered = std::function<void(Result<wire::Value>)>;
    void send(const std::string& verb,
              wire::Value args,
              Answered answered,
              std::optional<Duration> timeout = std::nullopt);

private:
    Client(loop::EventLoop& loop, std::string agent_home, std::string who, Service service)
        : loop_(loop),
          agent_home_(std::move(agent_home)),
          who_(std::move(who)),
          service_(std::move(service)) {}

    void dial(const std::string& path);
    void received(std::string_view frame);
    [[nodiscard]] bool lives() const;

    loop::EventLoop& loop_;
    std::string agent_home_;  // "": it is not of this home
    std::string who_;         // for messages: "the agent at /var/lib/berth/agents/lab"
    Service service_;         // whose end ends all hope
    std::string through_;     // the agent that the controller is to ask; "": who answers is asked
    std::unique_ptr<zmtp::Dealer> dealer_;
    std::map<std::uint64_t, Answered> pending_;
    std::uint64_t next_ = 1;
    bool lost_ = false;
};

}  // namespace berth::cli
