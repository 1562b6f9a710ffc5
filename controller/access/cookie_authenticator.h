#pragma once

#include "controller/access/auth.h"
#include "controller/access/authenticator.h"
#include "controller/access/cookies.h"

namespace berth::access {

// Sessions of the panel: the token is in a cookie, which browsers send by themselves, so a change
// has to come with the session's X-CSRF-Token, which only the panel's own pages can read.
class CookieAuthenticator : public Authenticator {
public:
    // Both outlive it.
    CookieAuthenticator(Auth& auth, const Cookies& cookies) : auth_(auth), cookies_(cookies) {}

    [[nodiscard]] std::optional<Identity> identify(const http::Request& request) const override;
    [[nodiscard]] std::optional<Refusal> refuse_change(const http::Request& request,
                                                       const Identity& who) const override;
    [[nodiscard]] bool knows(const http::Request& request) const override;
    [[nodiscard]] bool still_holds(const Identity& who) const override;

private:
    Auth& auth_;
    const Cookies& cookies_;
};

}  // namespace berth::access
