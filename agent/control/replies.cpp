#include "agent/control/replies.h"

#include <utility>

#include "shared/wire/status.h"

namespace berth::control {

using wire::Value;

Value event_value(const store::EventRow& event) {
    return Value::Map{{"seq", event.sequence},
                      {"time", wire::to_value(event.time)},
                      {"app", event.app},
                      {"state", kAppStateNames.name(event.state)},
                      {"text", event.text}};
}

Error no_app(const std::string& id) {
    return {ErrorCode::NotFound, "no app has the id \"" + id + "\"", 0};
}

void ok(const Client& client, const wire::Request& request, Value info) {
    (void)client.reply({request.id, wire::Code::Ok, std::move(info)});
}

void refuse(const Client& client, const wire::Request& request, const Error& error) {
    (void)client.reply(wire::error_reply(request.id, error));
}

}  // namespace berth::control
