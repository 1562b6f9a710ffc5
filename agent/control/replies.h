#pragma once

#include <string>

#include "agent/control/client.h"
#include "agent/store/history.h"
#include "shared/base/error.h"
#include "shared/wire/control.h"
#include "shared/wire/value.h"

namespace berth::control {

// An event as `events` and `show` tell it.
wire::Value event_value(const store::EventRow& event);

Error no_app(const std::string& id);

// Answers. An asker that has gone needs none.
void ok(const Client& client, const wire::Request& request, wire::Value info = wire::Value::Map{});
void refuse(const Client& client, const wire::Request& request, const Error& error);

}  // namespace berth::control
