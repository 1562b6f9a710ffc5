#include "controller/service/agents.h"

#include <algorithm>

#include "controller/service/use_cases.h"
#include "shared/base/key_text.h"
#include "shared/base/text.h"

namespace berth::service {

namespace {

// Whether it may be added beside those that are there.
Result<void> check_new_agent(const store::AgentRow& agent,
                             bool is_local,
                             const std::vector<store::AgentRow>& others) {
    if (is_local) {
        return fail(ErrorCode::AlreadyExists,
                    "an agent of this machine is named \"" + agent.name +
                        "\"; give the other one another name here, its own need not change");
    }
    for (const store::AgentRow& other : others) {
        if (other.name == agent.name) {
            return fail(ErrorCode::AlreadyExists,
                        "an agent is named \"" + agent.name + "\" already, at " + other.endpoint +
                            "; remove that one first, or take another name");
        }
        if (other.public_key == agent.public_key) {
            return fail(ErrorCode::AlreadyExists,
                        "the agent with this key is there already, as \"" + other.name + "\"");
        }
    }
    return {};
}

bool is_same(const store::AgentRow& a, const store::AgentRow& b) {
    return a.name == b.name && a.endpoint == b.endpoint && a.public_key == b.public_key;
}

}  // namespace

Result<void> check_agent(store::AgentRow& agent) {
    if (!is_valid_id(agent.name)) {
        return fail(ErrorCode::InvalidArgument, "an agent's name is " + std::string(kIdRule));
    }
    if (agent.endpoint.find("://") == std::string::npos) {
        agent.endpoint.insert(0, "tcp://");
    }
    const bool tcp = agent.endpoint.rfind("tcp://", 0) == 0 && agent.endpoint.size() <= 300;
    const std::size_t colon = agent.endpoint.rfind(':');
    const std::string_view port =
        tcp && colon > 6 ? std::string_view(agent.endpoint).substr(colon + 1) : std::string_view();
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument, "an endpoint is tcp://HOST:PORT");
    }
    const auto key = parse_key(agent.public_key);
    if (!key) {
        return fail(ErrorCode::InvalidArgument, "a public key is " + std::string(kKeyRule));
    }
    agent.public_key = *key;
    return {};
}

Result<store::AgentRow> Agents::add(const Caller& caller, store::AgentRow agent, Again again) {
    using Adding = Changed<store::AgentRow>;
    return runner_.change_now<store::AgentRow>(kAddAgent, caller, [&]() -> Adding {
        if (auto good = check_agent(agent); !good) {
            return Adding::not_begun(std::move(good).error());
        }
        auto others = agents_.all();
        if (!others) {
            return Adding::not_begun(std::move(others).error());
        }
        const bool there =
            again == Again::Fine && std::erase_if(*others, [&agent](const store::AgentRow& other) {
                                        return is_same(other, agent);
                                    }) > 0;
        if (auto room = check_new_agent(agent, surroundings_.is_local(agent.name), *others);
            !room) {
            return Adding::not_begun(std::move(room).error());
        }
        if (there) {
            return Adding::nothing_to_do({agent});
        }
        auto done = agents_.add(agent);
        Note note{agent.name, done ? "done" : done.error().message};
        if (!done) {
            return Adding::begun({fail(std::move(done).error())}, std::move(note));
        }
        surroundings_.changed();
        return Adding::begun({agent}, std::move(note));
    });
}

Result<void> Agents::remove(const Caller& caller, const std::string& name) {
    using Removing = Changed<void>;
    return runner_.change_now<void>(kRemoveAgent, caller, [&]() -> Removing {
        if (surroundings_.is_local(name)) {
            return Removing::not_begun(
                {ErrorCode::WrongState, "a local agent is there as long as its folder is", 0});
        }
        auto done = agents_.remove(name);
        if (done) {
            surroundings_.changed();
        }
        Note note{is_valid_id(name) ? name : "-", done ? "done" : done.error().message};
        return Removing::begun({std::move(done)}, std::move(note));
    });
}

}  // namespace berth::service
