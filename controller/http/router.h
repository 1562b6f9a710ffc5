#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/access/auth.h"
#include "controller/http/cookies.h"
#include "controller/http/request.h"
#include "controller/http/responder.h"
#include "controller/http/site.h"
#include "shared/json/json_value.h"
#include "shared/loop/worker_pool.h"

namespace berth::http {

// Who may use a route. Each includes those after it; there is no other way in.
enum class Access : std::uint8_t { Public, Viewer, Operator, Admin };

// Where a handler runs: on the http loop, when it never blocks, or on a worker thread.
enum class Where : std::uint8_t { Loop, Worker };

// What a handler gets. Copies share the responder.
struct Exchange {
    Request request;
    std::map<std::string, std::string> params;  // of the path, decoded
    std::optional<access::Identity> who;
    Responder responder;
    std::shared_ptr<const json::JsonValue> object;  // the body, whose members the route knows

    // The body; without one, an object without members.
    [[nodiscard]] const json::JsonValue& body() const;

    // The parameter of this name, which the route's pattern has.
    [[nodiscard]] const std::string& param(const std::string& name) const {
        return params.at(name);
    }
};

using Handler = std::function<void(Exchange exchange)>;

// The pattern of whatever is not below /api and matches nothing else: the panel's pages and files.
inline constexpr std::string_view kEverythingElse = "/{path}";

// What a query may hold whose names are not ours, such as that of a page.
inline constexpr std::string_view kAnyQuery = "*";

// What a route takes and gives: the OpenAPI document says it, and the router refuses the rest.
// Schemas are names of components, "" for none.
struct RouteDoc {
    std::string_view summary;
    std::string_view query;     // parameters, "a,b,c=one|two": those of c are all it may be
    std::string_view request;   // schema of the body, whose members are all it may have
    std::string_view response;  // schema of the answer
    int status = 200;
};

struct Route {
    Method method = Method::Get;
    // "/api/v1/agents/{agent}"; a fixed part wins over a parameter. "{verb=start|stop}" is one of
    // these values only.
    std::string_view pattern;
    Access access = Access::Admin;
    Where where = Where::Loop;
    Handler handler;
    RouteDoc doc;
};

struct RouterOptions {
    Site site;
    Cookies cookies;
    // Whether the panel has a page or file at this path; null: all are taken for some.
    std::function<bool(const std::string& path)> has_page;
};

// The one table of routes, and the checks before each: the Host, where a change comes from, the
// session, the CSRF token, the role, and that nothing is asked for which the route does not know.
// What no route matches is refused. Of the workers, strangers get a few at a time: those who are
// signed in, or come with a browser that is known, never wait behind a crowd. Http loop thread.
class Router {
public:
    Router(access::Auth& auth,
           loop::WorkerPool& workers,
           RouterOptions options,
           std::vector<Route> routes);

    // True: it came from who is signed in, or with a browser that is known.
    bool dispatch(Request request, Responder responder) const;

    // Whether it comes from who is signed in, or with a browser that is known.
    [[nodiscard]] bool knows(Request head) const;

    [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

private:
    struct Match {
        const Route* route = nullptr;
        std::map<std::string, std::string> params;
    };

    using Who = std::optional<access::Identity>;

    [[nodiscard]] std::optional<Response> refuse_host(const Request& request) const;
    [[nodiscard]] std::optional<Response> take_prefix(Request& request) const;
    [[nodiscard]] std::optional<Response> refuse_foreign(const Request& request) const;
    [[nodiscard]] static std::optional<Response> refuse_access(const Route& route,
                                                               const Request& request,
                                                               const Who& who);
    [[nodiscard]] std::optional<Match> match(const Request& request, std::string& allowed) const;
    [[nodiscard]] static Response no_route(const Request& request,
                                           const std::string& allowed,
                                           bool logged_in);
    [[nodiscard]] std::optional<Response> refuse_query(const Route& route,
                                                       const Request& request) const;
    [[nodiscard]] Result<void> take_body(const Route& route, Exchange& exchange) const;
    [[nodiscard]] bool is_known_browser(const Request& request) const;
    void answer(Request request, const Who& who, bool known, Responder responder) const;
    void run(const Route& route, Exchange exchange, bool known) const;

    access::Auth& auth_;
    loop::WorkerPool& workers_;
    RouterOptions options_;
    std::vector<Route> routes_;
    std::map<std::string, std::vector<std::string>, std::less<>> members_;  // of request schemas

    // How many requests of strangers wait for a worker or have one. Shared with those requests.
    std::shared_ptr<std::atomic<std::size_t>> strangers_ =
        std::make_shared<std::atomic<std::size_t>>(0);
};

// One parameter of a route; `values`: all that it may be, none for anything.
struct Parameter {
    std::string_view name;
    std::vector<std::string_view> values;
};

std::vector<Parameter> query_parameters(std::string_view query);

// The parameter that a part of a pattern is. Nothing: the part is fixed.
std::optional<Parameter> path_parameter(std::string_view part);

// The path's parts as the pattern names them. Nothing: it does not match.
std::optional<std::map<std::string, std::string>> match_pattern(std::string_view pattern,
                                                                std::string_view path);

// The OpenAPI 3.1 document of these routes. `cookie`: the name of the session's.
std::string openapi_document(const std::vector<Route>& routes, std::string_view cookie);

}  // namespace berth::http
