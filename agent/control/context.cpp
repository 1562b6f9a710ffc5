#include "agent/control/context.h"

#include "shared/wire/status.h"

namespace berth::control {

AppStatus Context::status_of(const apps::App& app) const {
    AppStatus status = apps.status(app);
    status.mailbox = relay.mailbox(status.id);
    return status;
}

wire::Value Context::statuses(const std::vector<std::string>& ids) const {
    wire::Value::Array values;
    for (const std::string& id : ids) {
        if (const apps::App* const app = apps.find(id)) {
            values.push_back(wire::to_value(status_of(*app)));
        }
    }
    return values;
}

}  // namespace berth::control
