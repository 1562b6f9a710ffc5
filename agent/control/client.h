#pragma once

#include <string>

#include "shared/bus/socket.h"
#include "shared/wire/control.h"

namespace berth::control {

// Who asked, and where the answer goes.
struct Client {
    bus::Router* router = nullptr;
    std::string route;
    std::string key;  // CURVE key; "": over the local socket

    [[nodiscard]] bool local() const { return key.empty(); }

    // False: it has gone or does not read.
    bool reply(const wire::Reply& reply) const {
        return router->send(route, wire::encode_reply(reply));
    }

    friend bool operator<(const Client& a, const Client& b) {
        return a.router != b.router ? a.router < b.router : a.route < b.route;
    }
};

}  // namespace berth::control
