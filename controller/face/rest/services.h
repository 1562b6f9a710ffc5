#pragma once

#include <vector>

#include "controller/access/cookies.h"
#include "controller/face/live/hub.h"
#include "controller/face/rest/route.h"
#include "controller/panel/assets.h"
#include "controller/service/services.h"

namespace berth::rest {

// What the routes call. All of it outlives them.
struct Services {
    service::Services& use;
    live::Hub& hub;
    const panel::Assets& assets;
    const access::Cookies& cookies;
};

// The routes, by what they are about.
std::vector<Route> session_routes(const Services& services);
std::vector<Route> agent_routes(const Services& services);
std::vector<Route> app_routes(const Services& services);
std::vector<Route> action_routes(const Services& services);
std::vector<Route> history_routes(const Services& services);
std::vector<Route> log_routes(const Services& services);
std::vector<Route> mail_routes(const Services& services);
std::vector<Route> user_routes(const Services& services);
std::vector<Route> panel_routes(const Services& services);

// All of them, and the document that describes them.
std::vector<Route> all_routes(const Services& services);

}  // namespace berth::rest
