#pragma once

#include <string>
#include <string_view>

#include "controller/http/request.h"
#include "shared/time/clock.h"

namespace berth::access {

// The cookies of one controller. Browsers send cookies to all ports of a host, so the names are of
// this controller alone: two panels on one host leave each other's sessions be. Over TLS the names
// begin with __Host- (or __Secure- below a path), which no page without TLS and no neighbouring
// host can set. Immutable; any thread.
class Cookies {
public:
    // `id`: what tells this controller from others, of letters and digits. `prefix`: the path that
    // the panel is below, "" for none.
    Cookies(std::string id, std::string prefix) : id_(std::move(id)), prefix_(std::move(prefix)) {}

    // The value that the browser has sent, "" for none. Over TLS only what was set over TLS.
    [[nodiscard]] std::string_view read(const http::Request& request, std::string_view name) const;

    // The value of a Set-Cookie field. `life` zero: until the browser ends.
    [[nodiscard]] std::string set(const http::Request& request,
                                  std::string_view name,
                                  std::string_view value,
                                  Duration life = Duration::zero()) const;

    // The same, to have the browser forget it.
    [[nodiscard]] std::string forget(const http::Request& request, std::string_view name) const;

    // As it is called without TLS.
    [[nodiscard]] std::string plain_name(std::string_view name) const;

private:
    [[nodiscard]] std::string secure_name(std::string_view name) const;
    [[nodiscard]] std::string rules(const http::Request& request) const;

    std::string id_;
    std::string prefix_;
};

// The cookie that holds the token of a session.
inline constexpr std::string_view kSessionCookie = "session";

// The cookie by which a browser is known that somebody has logged in with.
inline constexpr std::string_view kKnownCookie = "known";

}  // namespace berth::access
