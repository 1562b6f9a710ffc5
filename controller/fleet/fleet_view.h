#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controller/fleet/agent_link.h"
#include "shared/model/app_status.h"

namespace berth::fleet {

// One agent as it is shown, with its rendering made once.
struct AgentView {
    std::string name;
    std::string endpoint;
    bool local = true;
    LinkState state = LinkState::Connecting;
    WallTime since;
    std::optional<WallTime> last_seen;  // when this view was made
    std::shared_ptr<const std::atomic<std::int64_t>>
        heard;  // the same as it is now, in ns; 0: never
    std::string error;
    std::optional<AgentInfo> info;
    std::size_t apps = 0;
    std::string rendered;
};

// One app as it is shown. `stale`: its agent is away, this is what was known last.
struct AppView {
    std::string key;  // "agent/id"
    AppStatus status;
    bool stale = false;
    std::string rendered;
};

// All that is known of all agents at one moment. Immutable: the fleet makes a new one for each
// change, which shares what is the same, so two views are compared by pointers.
struct FleetView {
    std::map<std::string, std::shared_ptr<const AgentView>> agents;
    std::map<std::string, std::shared_ptr<const AppView>> apps;
};

using FleetViewPtr = std::shared_ptr<const FleetView>;

std::string app_key(const std::string& agent, const std::string& id);

// How views are shown to clients, made once for each and kept in it. Any thread.
struct Rendering {
    std::function<std::string(const AgentView& agent)> agent;
    std::function<std::string(const AppStatus& status, bool stale)> app;
};

}  // namespace berth::fleet
