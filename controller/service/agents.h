#pragma once

#include <functional>
#include <string>

#include "controller/service/runner.h"
#include "controller/store/agents.h"

namespace berth::service {

// Whether a remote agent may be stored so; puts its endpoint and key into the form that is stored.
// Error: what is wrong.
Result<void> check_agent(store::AgentRow& agent);

// Adding and forgetting agents of other machines. Blocks: worker threads, and commands.
class Agents {
public:
    struct Surroundings {
        std::function<bool(const std::string& name)> is_local;  // an agent of this machine
        std::function<void()> changed;                          // the stored agents are others now
    };

    // Outlived by what it gets.
    Agents(const Runner& runner, store::Agents& agents, Surroundings surroundings)
        : runner_(runner), agents_(agents), surroundings_(std::move(surroundings)) {}

    // Whether the same agent may be added again, which then changes nothing.
    enum class Again : std::uint8_t { Refused, Fine };

    // Gives it as it is stored. InvalidArgument, AlreadyExists.
    Result<store::AgentRow> add(const Caller& caller,
                                store::AgentRow agent,
                                Again again = Again::Refused);

    // NotFound; WrongState: it is one of this machine.
    Result<void> remove(const Caller& caller, const std::string& name);

private:
    const Runner& runner_;
    store::Agents& agents_;
    Surroundings surroundings_;
};

}  // namespace berth::service
