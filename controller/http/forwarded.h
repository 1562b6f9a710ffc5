#pragma once

#include <string>
#include <vector>

#include "controller/http/request.h"

namespace berth::http {

// What a chain of proxies says of a request, the first proxy first. Whether it is believed is for
// others to decide.
struct Forwarded {
    std::vector<std::string> addresses;  // without ports, as they were written
    std::string proto;
    std::string host;

    [[nodiscard]] bool empty() const { return addresses.empty() && proto.empty() && host.empty(); }
};

// X-Forwarded-For, -Proto and -Host, or, where none of these is there, Forwarded (RFC 7239).
Forwarded read_forwarded(const Request& request);

}  // namespace berth::http
