#pragma once

#include "controller/store/agents.h"
#include "controller/store/sqlite/connection.h"

namespace berth::store::sqlite {

// The agents in controller.db.
class Agents : public store::Agents {
public:
    explicit Agents(Connection& connection) : connection_(connection) {}

    Result<std::vector<AgentRow>> all() override;
    Result<void> add(const AgentRow& agent) override;
    Result<void> remove(const std::string& name) override;

private:
    Connection& connection_;
};

}  // namespace berth::store::sqlite
