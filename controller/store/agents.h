#pragma once

#include <string>
#include <vector>

#include "shared/base/result.h"

namespace berth::store {

struct AgentRow {
    std::string name;
    std::string endpoint;
    std::string public_key;
};

// The agents on other machines. Durable when a call has returned. Any thread, but no loop: a call
// may take long.
class Agents {
public:
    Agents() = default;
    virtual ~Agents() = default;
    Agents(const Agents&) = delete;
    Agents& operator=(const Agents&) = delete;

    // By name.
    virtual Result<std::vector<AgentRow>> all() = 0;

    // AlreadyExists: the name is taken.
    virtual Result<void> add(const AgentRow& agent) = 0;

    // NotFound.
    virtual Result<void> remove(const std::string& name) = 0;
};

}  // namespace berth::store
