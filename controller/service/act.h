#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/service/agent_requests.h"
#include "controller/service/operations.h"
#include "controller/service/runner.h"

namespace berth::service {

// One verb for one app.
struct Action {
    AppAddress app;
    std::string verb;
    std::string key;         // idempotency key, "" for none
    Duration timeout;        // how long the client waits for the outcome
    bool if_needed = false;  // what is so already is no failure
};

// What came of it.
struct Acted {
    std::string operation;  // not "": it is not over yet, and this follows it

    // What the agent has to say of it: what a reload changed, how a short run ended.
    struct Said {
        std::string message;
        std::string note;
    };

    std::vector<Said> said;
    std::shared_ptr<const fleet::AppView> app;  // as it is now; null: it is gone
};

// How much of some input an app has taken. `why` and `full` tell why it was not all.
struct Taken {
    std::uint64_t bytes = 0;
    std::uint64_t of = 0;
    std::string why;
    bool full = false;
};

// Acts on single apps. Any thread.
class Act {
public:
    Act(const Runner& runner, const AgentRequests& agents, Operations& operations)
        : runner_(runner), agents_(agents), operations_(operations) {}

    // Answers with what is first: the outcome, or the end of the time that the client would wait.
    void act(const Caller& caller, const Action& action, const Done<Acted>& done) const;

    void write_input(const Caller& caller,
                     const AppAddress& app,
                     const std::string& data,
                     const Done<Taken>& done) const;

    // Sets the number of instances of an app. Gives the ids of those that came and went.
    void scale(const Caller& caller,
               const AppAddress& app,
               std::uint64_t count,
               const Done<std::vector<std::string>>& done) const;

    [[nodiscard]] Result<Operation> operation(const Caller& caller, const std::string& id) const;

private:
    const Runner& runner_;
    const AgentRequests& agents_;
    Operations& operations_;
};

}  // namespace berth::service
