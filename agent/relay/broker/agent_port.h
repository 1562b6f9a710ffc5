#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/relay/protocol/requests.h"
#include "shared/base/result.h"
#include "shared/model/app_status.h"

namespace berth::relay {

// What the relay knows of an app of this agent: a copy that the agent's loop hands over whenever
// something of it has changed.
struct AppFacts {
    std::string id;
    std::string name;
    AppState state = AppState::Stopped;
    std::optional<std::int32_t> pid;
    std::string reason;
    std::uint64_t restarts = 0;
    std::string config;                                   // the variables, a msgpack map
    std::optional<std::vector<std::string>> may_control;  // patterns; unset: every app
    std::optional<std::vector<std::string>> may_notify;
    std::optional<Duration> redeliver_after;
    std::uint32_t max_attempts = 0;  // after which a message is a dead letter; 0: it never is
};

// What came of a start, stop or restart.
struct Controlled {
    bool found = false;
    AppState state = AppState::Stopped;
    std::optional<Error> error;
};

// How the relay asks the agent, which lives in another thread. `done` is called in the relay's.
struct AgentPort {
    std::string agent;  // its name
    std::string version;
    std::function<void(Verb verb,
                       const std::string& app,
                       const std::string& actor,
                       std::function<void(const Controlled&)> done)>
        control;
};

}  // namespace berth::relay
