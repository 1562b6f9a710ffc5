#include "controller/access/gate.h"

#include "controller/access/origin.h"
#include "controller/access/wording.h"
#include "controller/http/negotiation.h"

namespace berth::access {

namespace {

// Whether the Host is a name of this controller.
std::optional<Refusal> refuse_host(const http::Request& request, const Site& site) {
    const auto host = Host::parse(request.host);
    if (!host || site.knows(*host)) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const Host& known : site.hosts) {
        names.push_back(known.name);
    }
    return Refusal{421,
                   "this request is for " + quoted(host->text()) +
                       ", and this controller is known as " + listed(names) +
                       " only; if browsers reach it by that name, start it with --url and the "
                       "address that they use (berth up --url https://" +
                       printable(host->name) + "/)"};
}

}  // namespace

std::optional<Refusal> Gate::admit(http::Request& request) const {
    if (!find_origin(request, site_)) {
        return Refusal{400, "the Host " + quoted(request.host) + " is no host: NAME, or NAME:PORT"};
    }
    return refuse_host(request, site_);
}

Visitor Gate::identify(const http::Request& request) const {
    Visitor visitor;
    for (const Authenticator* const way : ways_) {
        visitor.who = way->identify(request);
        if (visitor.who) {
            visitor.way = way;
            visitor.known = true;
            break;
        }
        visitor.known = visitor.known || way->knows(request);
    }
    return visitor;
}

std::optional<Refusal> Gate::refuse_foreign(const http::Request& request) const {
    const bool change = http::is_change(request.method);
    if (!change && !request.header("upgrade")) {
        return std::nullopt;
    }
    if (const auto said = request.header("origin")) {
        const auto origin = Origin::parse(*said);
        if (!origin || !is_ours(*origin, request, site_)) {
            const std::string known = site_.known_origins();
            return Refusal{
                403,
                "this comes from another site: its Origin is " + quoted(*said) +
                    ", and this controller was asked as " + quoted(request.host) +
                    (known.empty() ? "" : " and is known as " + known) +
                    "; if that is what browsers call it, start it with --url and the address that "
                    "they use (berth up --url https://panel.example.org/)"};
        }
    }
    if (!change) {
        return std::nullopt;
    }
    const auto site = request.header("sec-fetch-site");
    if (site && *site != "same-origin" && *site != "none") {
        return Refusal{403,
                       "this change comes from another site (Sec-Fetch-Site: " +
                           printable(shortened(*site, 20)) + ")"};
    }
    // What a form of another site could send too is told apart by its type; a DELETE is none.
    const bool bare = request.method == http::Method::Delete && request.body.empty();
    if (!bare &&
        !http::is_media_type(request.header("content-type").value_or(""), "application/json")) {
        return Refusal{415, "a change must have the Content-Type application/json"};
    }
    return std::nullopt;
}

std::optional<Refusal> Gate::refuse(std::optional<Right> right,
                                    const http::Request& request,
                                    const Visitor& visitor) const {
    if (!right) {
        return std::nullopt;
    }
    if (!visitor.who) {
        return Refusal{401, "log in first"};
    }
    if (http::is_change(request.method)) {
        if (auto refused = visitor.way->refuse_change(request, *visitor.who)) {
            return refused;
        }
    }
    if (!allows(visitor.who->role, right)) {
        return Refusal{403, "your role does not allow this"};
    }
    return std::nullopt;
}

bool Gate::still_holds(const Visitor& visitor) const {
    return visitor.who && visitor.way->still_holds(*visitor.who);
}

}  // namespace berth::access
