#include "controller/fleet/fleet_view.h"

namespace berth::fleet {

std::string app_key(const std::string& agent, const std::string& id) {
    return agent + '/' + id;
}

}  // namespace berth::fleet
