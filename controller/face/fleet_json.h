#pragma once

#include <string>

#include "controller/fleet/fleet_view.h"
#include "shared/json/json_writer.h"

namespace berth::face {

// The members of the API's Agent and App, into the open object of `json`.
void write_agent(json::JsonWriter& json, const fleet::AgentView& agent);
void write_app(json::JsonWriter& json, const AppStatus& status, bool stale);

// A time as the API writes it, to the millisecond.
std::string api_time(WallTime time);

// How the fleet's views are rendered, once for all who get them: as JSON.
fleet::Rendering fleet_rendering();

}  // namespace berth::face
