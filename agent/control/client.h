#pragma once

#include <string>

#include "shared/command/rights.h"
#include "shared/wire/control.h"
#include "shared/wire/frame_sink.h"

namespace berth::control {

// Who asked, and where the answer goes.
struct Client {
    wire::FrameSink* sink = nullptr;
    std::string route;
    std::string key;                            // CURVE key; "": over the local socket
    command::Role role = command::Role::Admin;  // of the key; the local socket is the owner's

    [[nodiscard]] bool local() const { return key.empty(); }

    // False: it has gone or does not read.
    bool reply(const wire::Reply& reply) const {
        return sink->send(route, wire::encode_reply(reply));
    }

    friend bool operator<(const Client& a, const Client& b) {
        return a.sink != b.sink ? a.sink < b.sink : a.route < b.route;
    }
};

}  // namespace berth::control
