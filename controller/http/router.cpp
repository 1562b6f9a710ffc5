#include "controller/http/router.h"

#include <algorithm>

#include "controller/auth/secrets.h"
#include "shared/base/text.h"

namespace berth::http {

namespace {

bool allows(Access access, const std::optional<auth::Identity>& who) {
    switch (access) {
        case Access::Public:
            return true;
        case Access::Viewer:
            return who.has_value();
        case Access::Operator:
            return who && (who->role == auth::Role::Operator || who->role == auth::Role::Admin);
        case Access::Admin:
            return who && who->role == auth::Role::Admin;
    }
    return false;
}

std::string_view without_port(std::string_view host) {
    if (!host.empty() && host.front() == '[') {
        return host.substr(0, host.find(']') + 1);
    }
    return host.substr(0, host.find(':'));
}

bool is_json(std::string_view type) {
    return trim(type.substr(0, type.find(';'))) == "application/json";
}

bool is_parameter(std::string_view part) {
    return part.size() > 2 && part.front() == '{' && part.back() == '}';
}

// How many parts are fixed, so that "logs" wins over "{verb}".
std::size_t fixed_parts(std::string_view pattern) {
    const auto parts = split(pattern, '/');
    return static_cast<std::size_t>(
        std::count_if(parts.begin(), parts.end(), [](auto part) { return !is_parameter(part); }));
}

}  // namespace

bool same_origin(std::string_view origin, std::string_view host) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (origin.substr(0, scheme.size()) == scheme && origin.substr(scheme.size()) == host) {
            return true;
        }
    }
    return false;
}

std::optional<std::map<std::string, std::string>> match_pattern(std::string_view pattern,
                                                                std::string_view path) {
    if (pattern == kEverythingElse) {
        const bool in_api = path == "/api" || path.substr(0, 5) == "/api/";
        return in_api ? std::nullopt : std::optional(std::map<std::string, std::string>());
    }
    const auto wanted = split(pattern, '/');
    const auto given = split(path, '/');
    if (wanted.size() != given.size()) {
        return std::nullopt;
    }
    std::map<std::string, std::string> params;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (!is_parameter(wanted[i])) {
            if (wanted[i] != given[i]) {
                return std::nullopt;
            }
            continue;
        }
        auto value = percent_decode(given[i]);
        if (!value || value->empty()) {
            return std::nullopt;
        }
        params.emplace(wanted[i].substr(1, wanted[i].size() - 2), std::move(*value));
    }
    return params;
}

Router::Router(auth::Auth& auth,
               WorkerPool& workers,
               RouterOptions options,
               std::vector<Route> routes)
    : auth_(auth), workers_(workers), options_(std::move(options)), routes_(std::move(routes)) {
    std::stable_sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) {
        return fixed_parts(a.pattern) > fixed_parts(b.pattern);
    });
}

void Router::dispatch(Request request, Responder responder) const {
    if (auto refused = refuse_host(request)) {
        return responder.send(std::move(*refused));
    }
    const auto who = auth_.identify(request.cookie(options_.cookie));
    std::string allowed;
    const auto found = match(request, allowed);
    if (!found) {
        return responder.send(no_route(request, allowed, who.has_value()));
    }
    std::optional<Response> refused = refuse_change(request);
    if (!refused) {
        refused = refuse_access(*found->route, request, who);
    }
    if (refused) {
        return responder.send(std::move(*refused));
    }
    run(*found->route, Exchange{std::move(request), found->params, who, std::move(responder)});
}

// A page of somebody else whose name was pointed at this machine must not be talked to.
std::optional<Response> Router::refuse_host(const Request& request) const {
    const std::string_view host = without_port(request.header("host").value_or(""));
    const auto& known = options_.hosts;
    if (known.empty() || std::find(known.begin(), known.end(), host) != known.end()) {
        return std::nullopt;
    }
    return problem(421, "this controller is not \"" + std::string(host) + "\"");
}

std::optional<Response> Router::refuse_change(const Request& request) {
    if (!is_change(request.method)) {
        return std::nullopt;
    }
    const auto origin = request.header("origin");
    const auto site = request.header("sec-fetch-site");
    const bool foreign = (origin && !same_origin(*origin, request.header("host").value_or(""))) ||
                         (site && *site != "same-origin" && *site != "none");
    if (foreign) {
        return problem(403, "this change comes from another site");
    }
    if (!is_json(request.header("content-type").value_or(""))) {
        return problem(415, "a change must have the Content-Type application/json");
    }
    return std::nullopt;
}

std::optional<Response> Router::refuse_access(const Route& route,
                                              const Request& request,
                                              const Who& who) {
    if (route.access == Access::Public) {
        return std::nullopt;
    }
    if (!who) {
        return problem(401, "log in first");
    }
    if (is_change(request.method) &&
        !auth::same_secret(request.header("x-csrf-token").value_or(""), who->csrf)) {
        return problem(403, "the X-CSRF-Token is missing or not this session's");
    }
    if (!allows(route.access, who)) {
        return problem(403, "your role does not allow this");
    }
    return std::nullopt;
}

std::optional<Router::Match> Router::match(const Request& request, std::string& allowed) const {
    const Method method = request.method == Method::Head ? Method::Get : request.method;
    for (const Route& route : routes_) {
        auto params = match_pattern(route.pattern, request.path);
        if (!params) {
            continue;
        }
        if (route.method == method) {
            return Match{&route, std::move(*params)};
        }
        const std::string name(kMethodNames.name(route.method));
        if (allowed.find(name) == std::string::npos) {
            allowed += (allowed.empty() ? "" : ", ") + name + (name == "GET" ? ", HEAD" : "");
        }
    }
    return std::nullopt;
}

Response Router::no_route(const Request& request, const std::string& allowed, bool logged_in) {
    if (!allowed.empty()) {
        Response response = request.method == Method::Options
                                ? no_content()
                                : problem(405, "this address knows other methods only");
        return std::move(response.with("Allow", allowed + ", OPTIONS"));
    }
    // Strangers do not learn what there is.
    if (!logged_in && request.path.rfind("/api/", 0) == 0) {
        return problem(401, "log in first");
    }
    return problem(404, "there is nothing at this address");
}

void Router::run(const Route& route, Exchange exchange) const {
    if (route.where == Where::Loop) {
        return route.handler(std::move(exchange));
    }
    const Responder responder = exchange.responder;
    auto shared = std::make_shared<Exchange>(std::move(exchange));
    if (!workers_.submit([&route, shared] { route.handler(std::move(*shared)); })) {
        Response busy = problem(503, "too much is waiting, try again in a moment");
        responder.send(std::move(busy.with("Retry-After", "1")));
    }
}

}  // namespace berth::http
