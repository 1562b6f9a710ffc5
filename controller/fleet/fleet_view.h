#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controller/fleet/agent_link.h"
#include "shared/json/json_writer.h"
#include "shared/model/app_status.h"

namespace berth::fleet {

// One agent as it is shown, with its JSON made once.
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
    std::string json;
};

// One app as it is shown. `stale`: its agent is away, this is what was known last.
struct AppView {
    std::string key;  // "agent/id"
    AppStatus status;
    bool stale = false;
    std::string json;
};

// All that is known of all agents at one moment. Immutable: the fleet makes a new one for each
// change, which shares what is the same, so two views are compared by pointers.
struct FleetView {
    std::map<std::string, std::shared_ptr<const AgentView>> agents;
    std::map<std::string, std::shared_ptr<const AppView>> apps;
};

using FleetViewPtr = std::shared_ptr<const FleetView>;

std::string app_key(const std::string& agent, const std::string& id);

// The members of the API's Agent and App, into the open object of `json`.
void write_agent(json::JsonWriter& json, const AgentView& agent);
void write_app(json::JsonWriter& json, const AppStatus& status, bool stale);

// A time as the API writes it, to the millisecond.
std::string api_time(WallTime time);

}  // namespace berth::fleet
