#pragma once

#include <optional>
#include <vector>

#include "controller/access/authenticator.h"
#include "controller/access/site.h"

namespace berth::access {

// Who has sent a request, as far as is known.
struct Visitor {
    std::optional<Identity> who;
    const Authenticator* way = nullptr;  // that has found `who`
    bool known = false;                  // signed in, or from where somebody has logged in before
};

// What every request passes before anything is done for it: whether it is for this controller,
// where it comes from, who has sent it, and what that one may do. Immutable; http loop thread, but
// still_holds().
class Gate {
public:
    // `ways`: are asked in this order, and outlive the gate.
    Gate(Site site, std::vector<const Authenticator*> ways)
        : site_(std::move(site)), ways_(std::move(ways)) {}

    [[nodiscard]] const Site& site() const { return site_; }

    // Fills in who is behind the request and how it was addressed. A page of somebody else whose
    // name was pointed at this machine is refused.
    [[nodiscard]] std::optional<Refusal> admit(http::Request& request) const;

    [[nodiscard]] Visitor identify(const http::Request& request) const;

    // What a page of somebody else makes a browser send is not done: changes, and WebSockets.
    [[nodiscard]] std::optional<Refusal> refuse_foreign(const http::Request& request) const;

    // Whether the visitor has the right, and a change comes with what its way of signing in wants.
    [[nodiscard]] std::optional<Refusal> refuse(std::optional<Right> right,
                                                const http::Request& request,
                                                const Visitor& visitor) const;

    // Whether the visitor, who may have waited, still is who it was. Any thread.
    [[nodiscard]] bool still_holds(const Visitor& visitor) const;

private:
    Site site_;
    std::vector<const Authenticator*> ways_;
};

}  // namespace berth::access
