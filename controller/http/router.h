#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/auth/auth.h"
#include "controller/http/request.h"
#include "controller/http/responder.h"
#include "controller/http/worker_pool.h"

namespace berth::http {

// Who may use a route. Each includes those after it; there is no other way in.
enum class Access : std::uint8_t { Public, Viewer, Operator, Admin };

// Where a handler runs: on the http loop, when it never blocks, or on a worker thread.
enum class Where : std::uint8_t { Loop, Worker };

// What a handler gets. Copies share the responder.
struct Exchange {
    Request request;
    std::map<std::string, std::string> params;  // of the path, decoded
    std::optional<auth::Identity> who;
    Responder responder;

    // The parameter of this name, which the route's pattern has.
    [[nodiscard]] const std::string& param(const std::string& name) const {
        return params.at(name);
    }
};

using Handler = std::function<void(Exchange exchange)>;

// The pattern of whatever is not below /api and matches nothing else: the panel's pages and files.
inline constexpr std::string_view kEverythingElse = "/{path}";

// What the OpenAPI document says of a route; schemas are names of components, "" for none.
struct RouteDoc {
    std::string_view summary;
    std::string_view query;     // parameters, "a,b,c"
    std::string_view request;   // schema of the body
    std::string_view response;  // schema of the answer
    int status = 200;
};

struct Route {
    Method method = Method::Get;
    std::string_view pattern;  // "/api/v1/agents/{agent}"; a fixed part wins over a parameter
    Access access = Access::Admin;
    Where where = Where::Loop;
    Handler handler;
    RouteDoc doc;
};

struct RouterOptions {
    // Names that the Host header may have, without port; empty: all.
    std::vector<std::string> hosts;
    std::string_view cookie = "berth_session";
};

// The one table of routes, and the checks before each: the Host, where a change comes from, the
// session, the CSRF token, the role. What no route matches is refused. Http loop thread.
class Router {
public:
    Router(auth::Auth& auth, WorkerPool& workers, RouterOptions options, std::vector<Route> routes);

    void dispatch(Request request, Responder responder) const;

    [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

private:
    struct Match {
        const Route* route = nullptr;
        std::map<std::string, std::string> params;
    };

    using Who = std::optional<auth::Identity>;

    [[nodiscard]] std::optional<Response> refuse_host(const Request& request) const;
    [[nodiscard]] static std::optional<Response> refuse_change(const Request& request);
    [[nodiscard]] static std::optional<Response> refuse_access(const Route& route,
                                                               const Request& request,
                                                               const Who& who);
    [[nodiscard]] std::optional<Match> match(const Request& request, std::string& allowed) const;
    [[nodiscard]] static Response no_route(const Request& request,
                                           const std::string& allowed,
                                           bool logged_in);
    void run(const Route& route, Exchange exchange) const;

    auth::Auth& auth_;
    WorkerPool& workers_;
    RouterOptions options_;
    std::vector<Route> routes_;
};

// Whether the Origin of a request is the host it was sent to.
bool same_origin(std::string_view origin, std::string_view host);

// The path's parts as the pattern names them. Nothing: it does not match.
std::optional<std::map<std::string, std::string>> match_pattern(std::string_view pattern,
                                                                std::string_view path);

// The OpenAPI 3.1 document of these routes.
std::string openapi_document(const std::vector<Route>& routes);

}  // namespace berth::http
