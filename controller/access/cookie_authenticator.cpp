#include "controller/access/cookie_authenticator.h"

#include "controller/access/secrets.h"

namespace berth::access {

std::optional<Identity> CookieAuthenticator::identify(const http::Request& request) const {
    return auth_.identify(cookies_.read(request, kSessionCookie));
}

std::optional<Refusal> CookieAuthenticator::refuse_change(const http::Request& request,
                                                          const Identity& who) const {
    if (same_secret(request.header("x-csrf-token").value_or(""), who.csrf)) {
        return std::nullopt;
    }
    return Refusal{403, "the X-CSRF-Token is missing or not this session's"};
}

bool CookieAuthenticator::knows(const http::Request& request) const {
    return auth_.knows_browser(cookies_.read(request, kKnownCookie));
}

bool CookieAuthenticator::still_holds(const Identity& who) const {
    return auth_.still_holds(who);
}

}  // namespace berth::access
