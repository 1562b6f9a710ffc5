#pragma once

#include <optional>
#include <string>

#include "controller/access/identity.h"
#include "controller/http/request.h"

namespace berth::access {

// Why something that was asked for is not done.
struct Refusal {
    int status = 403;  // of HTTP
    std::string detail;
};

// One way in which a request says who it comes from: a cookie, a token. The gate asks them in their
// order. Http loop thread, but still_holds().
class Authenticator {
public:
    Authenticator() = default;
    virtual ~Authenticator() = default;
    Authenticator(const Authenticator&) = delete;
    Authenticator& operator=(const Authenticator&) = delete;

    // Who is behind the request. Nothing: it does not use this way, or what it shows is not valid.
    [[nodiscard]] virtual std::optional<Identity> identify(const http::Request& request) const = 0;

    // Why a change by `who`, whom identify() has found in this request, may come from somebody
    // else's page. What browsers send by themselves needs a proof; what they do not, none.
    [[nodiscard]] virtual std::optional<Refusal> refuse_change(const http::Request& request,
                                                               const Identity& who) const = 0;

    // Whether the request comes from where somebody has logged in before: nobody, but no stranger.
    [[nodiscard]] virtual bool knows(const http::Request& request) const = 0;

    // Whether `who`, found some time ago, still is, with the same role. Any thread.
    [[nodiscard]] virtual bool still_holds(const Identity& who) const = 0;
};

}  // namespace berth::access
