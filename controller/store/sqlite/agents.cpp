#include "controller/store/sqlite/agents.h"

namespace berth::store::sqlite {

Result<std::vector<AgentRow>> Agents::all() {
    return connection_.run<std::vector<AgentRow>>("read the agents", [](db::Database& database) {
        std::vector<AgentRow> agents;
        db::Rows row = database.query("SELECT name, endpoint, public_key FROM agent ORDER BY name");
        while (row.next()) {
            agents.push_back({row.text(0), row.text(1), row.text(2)});
        }
        return agents;
    });
}

Result<void> Agents::add(const AgentRow& agent) {
    return connection_.run<void>("add an agent", [&](db::Database& database) -> Result<void> {
        if (database.run("INSERT OR IGNORE INTO agent VALUES (?, ?, ?)",
                         {agent.name, agent.endpoint, agent.public_key}) == 0) {
            return fail(ErrorCode::AlreadyExists,
                        "an agent is named \"" + agent.name + "\" already");
        }
        return {};
    });
}

Result<void> Agents::remove(const std::string& name) {
    return connection_.run<void>("remove an agent", [&](db::Database& database) -> Result<void> {
        if (database.run("DELETE FROM agent WHERE name = ?", {name}) == 0) {
            return fail(ErrorCode::NotFound, "no remote agent has the name \"" + name + "\"");
        }
        return {};
    });
}

}  // namespace berth::store::sqlite
