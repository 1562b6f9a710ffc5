#include "controller/http/router.h"

#include <algorithm>

#include "controller/access/secrets.h"
#include "controller/http/forwarded.h"
#include "controller/http/negotiation.h"
#include "controller/http/schemas.h"
#include "shared/base/ensure.h"
#include "shared/base/text.h"

namespace berth::http {

namespace {

constexpr std::size_t kMostStrangers = 16;  // at 30 ms for a password: a wait of a quarter second

bool allows(Access access, const std::optional<access::Identity>& who) {
    switch (access) {
        case Access::Public:
            return true;
        case Access::Viewer:
            return who.has_value();
        case Access::Operator:
            return who && (who->role == access::Role::Operator || who->role == access::Role::Admin);
        case Access::Admin:
            return who && who->role == access::Role::Admin;
    }
    return false;
}

// How many parts are fixed, so that "logs" wins over "{verb}".
std::size_t fixed_parts(std::string_view pattern) {
    const auto parts = split(pattern, '/');
    return static_cast<std::size_t>(
        std::count_if(parts.begin(), parts.end(), [](auto part) { return !path_parameter(part); }));
}

// The members that each object of the API's schemas may have.
std::map<std::string, std::vector<std::string>, std::less<>> members_of_schemas() {
    const auto schemas = json::parse_json(kSchemas);
    ENSURE(schemas.has_value(), "the schemas are written here");
    std::map<std::string, std::vector<std::string>, std::less<>> members;
    for (const auto& schema : schemas->members()) {
        auto& names = members[schema.key];
        if (const auto* const properties = schema.value.find("properties")) {
            for (const auto& property : properties->members()) {
                names.push_back(property.key);
            }
        }
    }
    return members;
}

// "a", "b" and "c"; "none" without any.
template <class Names>
std::string listed(const Names& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const char* const before = i == 0 ? "" : (i + 1 == names.size() ? " and " : ", ");
        text += before + ('"' + std::string(names[i]) + '"');
    }
    return text.empty() ? "none" : text;
}

// A name that somebody sent, as it may stand in a sentence.
std::string quoted(std::string_view name) {
    constexpr std::size_t kLongest = 60;
    return '"' + printable(shortened(name, kLongest)) + '"';
}

}  // namespace

const json::JsonValue& Exchange::body() const {
    static const json::JsonValue empty{json::JsonValue::Object(), 0};
    return object ? *object : empty;
}

namespace {

// "NAME", or "NAME=one|two".
Parameter read_parameter(std::string_view text) {
    const std::size_t equals = text.find('=');
    Parameter parameter{text.substr(0, equals), {}};
    if (equals != std::string_view::npos) {
        parameter.values = split(text.substr(equals + 1), '|');
    }
    return parameter;
}

bool may_be(const Parameter& parameter, std::string_view value) {
    const auto& values = parameter.values;
    return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

std::optional<Parameter> path_parameter(std::string_view part) {
    return part.size() > 2 && part.front() == '{' && part.back() == '}'
               ? std::optional(read_parameter(part.substr(1, part.size() - 2)))
               : std::nullopt;
}

std::vector<Parameter> query_parameters(std::string_view query) {
    std::vector<Parameter> parameters;
    for (const std::string_view part : split(query, ',')) {
        if (part.empty() || part == kAnyQuery) {
            continue;
        }
        parameters.push_back(read_parameter(part));
    }
    return parameters;
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
        const auto parameter = path_parameter(wanted[i]);
        if (!parameter) {
            if (wanted[i] != given[i]) {
                return std::nullopt;
            }
            continue;
        }
        auto value = percent_decode(given[i]);
        if (!value || value->empty() || !may_be(*parameter, *value)) {
            return std::nullopt;
        }
        params.emplace(parameter->name, std::move(*value));
    }
    return params;
}

Router::Router(access::Auth& auth,
               loop::WorkerPool& workers,
               RouterOptions options,
               std::vector<Route> routes)
    : auth_(auth),
      workers_(workers),
      options_(std::move(options)),
      routes_(std::move(routes)),
      members_(members_of_schemas()) {
    for (const Route& route : routes_) {
        ENSURE(route.doc.request.empty() || members_.count(route.doc.request) != 0,
               "a route's body has a schema");
    }
    std::stable_sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) {
        return fixed_parts(a.pattern) > fixed_parts(b.pattern);
    });
}

bool Router::dispatch(Request request, Responder responder) const {
    if (!find_origin(request, options_.site)) {
        responder.send(
            problem(400, "the Host " + quoted(request.host) + " is no host: NAME, or NAME:PORT"));
        return false;
    }
    std::optional<Response> refused = refuse_host(request);
    if (!refused) {
        refused = take_prefix(request);
    }
    if (refused) {
        responder.send(std::move(*refused));
        return false;
    }
    const auto who = auth_.identify(options_.cookies.read(request, kSessionCookie));
    const bool known = who || is_known_browser(request);
    answer(std::move(request), who, known, std::move(responder));
    return known;
}

bool Router::is_known_browser(const Request& request) const {
    return auth_.knows_browser(options_.cookies.read(request, kKnownCookie));
}

bool Router::knows(Request head) const {
    return find_origin(head, options_.site) &&
           (auth_.identify(options_.cookies.read(head, kSessionCookie)) || is_known_browser(head));
}

void Router::answer(Request request, const Who& who, bool known, Responder responder) const {
    std::string allowed;
    const auto found = match(request, allowed);
    if (!found) {
        return responder.send(no_route(request, allowed, who.has_value()));
    }
    std::optional<Response> refused = refuse_foreign(request);
    if (!refused) {
        refused = refuse_access(*found->route, request, who);
    }
    if (!refused) {
        refused = refuse_query(*found->route, request);
    }
    if (refused) {
        return responder.send(std::move(*refused));
    }
    Exchange exchange{std::move(request), found->params, who, std::move(responder), nullptr};
    if (const auto taken = take_body(*found->route, exchange); !taken) {
        return exchange.responder.send(problem_of(taken.error()));
    }
    run(*found->route, std::move(exchange), known);
}

// A page of somebody else whose name was pointed at this machine must not be talked to.
std::optional<Response> Router::refuse_host(const Request& request) const {
    const auto host = Host::parse(request.host);
    if (!host || options_.site.knows(*host)) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const Host& known : options_.site.hosts) {
        names.push_back(known.name);
    }
    return problem(421,
                   "this request is for " + quoted(host->text()) +
                       ", and this controller is known as " + listed(names) +
                       " only; if browsers reach it by that name, start it with --url and the "
                       "address that they use (berth up --url https://" +
                       printable(host->name) + "/)");
}

// Proxies pass the path below which the panel is on, or cut it off.
std::optional<Response> Router::take_prefix(Request& request) const {
    const std::string& prefix = options_.site.prefix;
    if (prefix.empty() || request.path.compare(0, prefix.size(), prefix) != 0) {
        return std::nullopt;
    }
    if (request.path.size() == prefix.size()) {
        Response response;
        response.status = 308;
        return std::move(response.with("Location", prefix + '/'));
    }
    if (request.path[prefix.size()] == '/') {
        request.path.erase(0, prefix.size());
    }
    return std::nullopt;
}

// What a page of somebody else makes a browser send is not done: changes, and WebSockets.
std::optional<Response> Router::refuse_foreign(const Request& request) const {
    const bool change = is_change(request.method);
    if (!change && !request.header("upgrade")) {
        return std::nullopt;
    }
    if (const auto said = request.header("origin")) {
        const auto origin = Origin::parse(*said);
        if (!origin || !is_ours(*origin, request, options_.site)) {
            const std::string known = options_.site.known_origins();
            return problem(
                403,
                "this comes from another site: its Origin is " + quoted(*said) +
                    ", and this controller was asked as " + quoted(request.host) +
                    (known.empty() ? "" : " and is known as " + known) +
                    "; if that is what browsers call it, start it with --url and the address that "
                    "they use (berth up --url https://panel.example.org/)");
        }
    }
    if (!change) {
        return std::nullopt;
    }
    const auto site = request.header("sec-fetch-site");
    if (site && *site != "same-origin" && *site != "none") {
        return problem(403,
                       "this change comes from another site (Sec-Fetch-Site: " +
                           printable(shortened(*site, 20)) + ")");
    }
    // What a form of another site could send too is told apart by its type; a DELETE is none.
    const bool bare = request.method == Method::Delete && request.body.empty();
    if (!bare && !is_media_type(request.header("content-type").value_or(""), "application/json")) {
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
        !access::same_secret(request.header("x-csrf-token").value_or(""), who->csrf)) {
        return problem(403, "the X-CSRF-Token is missing or not this session's");
    }
    if (!allows(route.access, who)) {
        return problem(403, "your role does not allow this");
    }
    return std::nullopt;
}

// What is not known is a mistake of who asks, not something to be passed over.
std::optional<Response> Router::refuse_query(const Route& route, const Request& request) const {
    if (route.doc.query == kAnyQuery) {
        return std::nullopt;
    }
    const auto known = query_parameters(route.doc.query);
    for (const auto& [name, value] : request.query) {
        const auto found = std::find_if(
            known.begin(), known.end(), [&name = name](const auto& p) { return p.name == name; });
        if (found == known.end()) {
            std::vector<std::string_view> names;
            for (const Parameter& parameter : known) {
                names.push_back(parameter.name);
            }
            return problem(
                400, "no parameter is named " + quoted(name) + " here; allowed: " + listed(names));
        }
        const auto& values = found->values;
        if (!value.empty() && !may_be(*found, value)) {
            return problem(
                400, quoted(name) + " cannot be " + quoted(value) + "; allowed: " + listed(values));
        }
    }
    return std::nullopt;
}

Result<void> Router::take_body(const Route& route, Exchange& exchange) const {
    std::string& text = exchange.request.body;
    if (text.empty()) {
        return {};
    }
    if (!is_change(exchange.request.method)) {
        return fail(ErrorCode::InvalidArgument, "this request has no body");
    }
    BERTH_TRY(auto value, json::parse_json(text));
    if (!value.is_object()) {
        return fail(ErrorCode::InvalidArgument, "the body must be a JSON object");
    }
    static const std::vector<std::string> kNone;
    const auto schema = members_.find(route.doc.request);
    const auto& known = schema == members_.end() ? kNone : schema->second;
    for (const json::JsonMember& member : value.members()) {
        if (std::find(known.begin(), known.end(), member.key) == known.end()) {
            return fail(ErrorCode::InvalidArgument,
                        "no member of the body is named " + quoted(member.key) +
                            "; allowed: " + listed(known));
        }
    }
    exchange.object = std::make_shared<const json::JsonValue>(std::move(value));
    text = {};
    return {};
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
        if (route.pattern == kEverythingElse && options_.has_page &&
            !options_.has_page(request.path)) {
            continue;
        }
        const std::string name(kMethodNames.name(route.method));
        if (allowed.find(name) == std::string::npos) {
            allowed += (allowed.empty() ? "" : ", ") + name + (name == "GET" ? ", HEAD" : "");
        }
    }
    return std::nullopt;
}

Response Router::no_route(const Request& request, const std::string& allowed, bool logged_in) {
    if (request.path == "*") {  // OPTIONS of the server as such
        return std::move(
            no_content().with("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
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

void Router::run(const Route& route, Exchange exchange, bool known) const {
    if (route.where == Where::Loop) {
        return route.handler(std::move(exchange));
    }
    const Responder responder = exchange.responder;
    std::shared_ptr<void> place;
    if (!known) {
        if (strangers_->fetch_add(1) >= kMostStrangers) {
            strangers_->fetch_sub(1);
            Response busy = problem(429, "too many strangers ask at once, try again in a moment");
            return responder.send(std::move(busy.with("Retry-After", "1")));
        }
        place = std::shared_ptr<void>(nullptr, [all = strangers_](void*) { all->fetch_sub(1); });
    }
    auto shared = std::make_shared<Exchange>(std::move(exchange));
    // It may have waited behind others: who has lost the session or the role meanwhile is refused.
    const auto job = [this, &route, shared, place] {
        if (route.access != Access::Public && !auth_.still_holds(*shared->who)) {
            return shared->responder.send(problem(401, "log in first"));
        }
        route.handler(std::move(*shared));
    };
    if (!workers_.post(loop::WorkerPool::Lane::Short, job)) {
        Response busy = problem(503, "too much is waiting, try again in a moment");
        responder.send(std::move(busy.with("Retry-After", "1")));
    }
}

}  // namespace berth::http
