#pragma once

#include <string>

#include "agent/store/store.h"
#include "shared/base/error.h"
#include "shared/wire/control.h"
#include "shared/wire/value.h"

namespace berth::control {

// An event as `events` and `show` tell it.
wire::Value event_value(const store::EventRow& event);

// "no app has the id …"
Error no_app(const std::string& id);

// What of a request is needed to answer it later.
inline wire::Request asked(const wire::Request& request) {
    return {request.id, request.verb, {}};
}

}  // namespace berth::control
