#include "controller/face/rest/router.h"

#include <algorithm>

#include "controller/access/wording.h"
#include "controller/face/answers.h"
#include "controller/face/rest/schemas.h"
#include "shared/base/ensure.h"
#include "shared/base/text.h"

namespace berth::rest {

namespace {

using access::listed;
using access::quoted;
using access::Visitor;
using face::problem;
using http::is_change;
using http::Method;
using http::Request;
using http::Responder;
using http::Response;

constexpr std::size_t kMostStrangers = 16;  // at 30 ms for a password: a wait of a quarter second

// How many parts are fixed, so that "logs" wins over "{verb}".
std::size_t fixed_parts(std::string_view pattern) {
    const auto parts = split(pattern, '/');
    return static_cast<std::size_t>(std::count_if(
        parts.begin(), parts.end(), [](auto part) { return !face::path_parameter(part); }));
}

// The members that each object of the API's schemas may have.
std::map<std::string, std::vector<std::string>, std::less<>> members_of_schemas() {
    const auto schemas = json::parse_json(schemas_json());
    ENSURE(schemas.has_value(), "the schemas are embedded as they were written");
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

// What is not known is a mistake of who asks, not something to be passed over.
std::optional<access::Refusal> refuse_query(const Route& route, const Request& request) {
    if (route.doc.query == face::kAnyQuery) {
        return std::nullopt;
    }
    const auto known = face::query_parameters(route.doc.query);
    for (const auto& [name, value] : request.query) {
        const auto found = std::find_if(
            known.begin(), known.end(), [&name = name](const auto& p) { return p.name == name; });
        if (found == known.end()) {
            std::vector<std::string_view> names;
            for (const face::Parameter& parameter : known) {
                names.push_back(parameter.name);
            }
            return access::Refusal{
                400, "no parameter is named " + quoted(name) + " here; allowed: " + listed(names)};
        }
        const auto& values = found->values;
        if (!value.empty() && !found->may_be(value)) {
            return access::Refusal{
                400, quoted(name) + " cannot be " + quoted(value) + "; allowed: " + listed(values)};
        }
    }
    return std::nullopt;
}

Response no_route(const Request& request, const std::string& allowed, bool logged_in) {
    if (request.path == "*") {  // OPTIONS of the server as such
        return std::move(
            http::no_content().with("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if (!allowed.empty()) {
        Response response = request.method == Method::Options
                                ? http::no_content()
                                : problem(405, "this address knows other methods only");
        return std::move(response.with("Allow", allowed + ", OPTIONS"));
    }
    // Strangers do not learn what there is.
    if (!logged_in && request.path.rfind("/api/", 0) == 0) {
        return problem(401, "log in first");
    }
    return problem(404, "there is nothing at this address");
}

}  // namespace

const json::JsonValue& Exchange::body() const {
    static const json::JsonValue empty{json::JsonValue::Object(), 0};
    return object ? *object : empty;
}

Router::Router(const access::Gate& gate,
               loop::WorkerPool& workers,
               HasPage has_page,
               std::vector<Route> routes)
    : gate_(gate),
      workers_(workers),
      has_page_(std::move(has_page)),
      routes_(std::move(routes)),
      members_(members_of_schemas()) {
    for (const Route& route : routes_) {
        ENSURE(route.doc.request.empty() || members_.count(route.doc.request) != 0,
               "a route's body has a schema");
        ENSURE(is_change(route.method) == (route.use_case.kind == service::Kind::Change),
               "what is asked for by a changing method is written down, and nothing else");
    }
    std::stable_sort(routes_.begin(), routes_.end(), [](const Route& a, const Route& b) {
        return fixed_parts(a.pattern) > fixed_parts(b.pattern);
    });
}

bool Router::dispatch(Request request, Responder responder) const {
    if (const auto refused = gate_.admit(request)) {
        responder.send(problem(refused->status, refused->detail));
        return false;
    }
    if (auto elsewhere = take_prefix(request)) {
        responder.send(std::move(*elsewhere));
        return false;
    }
    const Visitor visitor = gate_.identify(request);
    answer(std::move(request), visitor, std::move(responder));
    return visitor.known;
}

bool Router::knows(Request head) const {
    return !gate_.admit(head) && gate_.identify(head).known;
}

void Router::answer(Request request, const Visitor& visitor, Responder responder) const {
    std::string allowed;
    const auto found = match(request, allowed);
    if (!found) {
        return responder.send(no_route(request, allowed, visitor.who.has_value()));
    }
    const Route& route = *found->route;
    std::optional<access::Refusal> refused = gate_.refuse_foreign(request);
    if (!refused) {
        refused = gate_.refuse(route.use_case.right, request, visitor);
    }
    if (!refused) {
        refused = refuse_query(route, request);
    }
    if (refused) {
        return responder.send(problem(refused->status, refused->detail));
    }
    Exchange exchange{
        std::move(request), found->params, visitor.who, std::move(responder), nullptr};
    if (const auto taken = take_body(route, exchange); !taken) {
        return exchange.responder.send(face::problem_of(taken.error()));
    }
    run(route, std::move(exchange), visitor);
}

// Proxies pass the path below which the panel is on, or cut it off.
std::optional<Response> Router::take_prefix(Request& request) const {
    const std::string& prefix = gate_.site().prefix;
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
        auto params = face::match_pattern(route.pattern, request.path);
        if (!params) {
            continue;
        }
        if (route.method == method) {
            return Match{&route, std::move(*params)};
        }
        if (route.pattern == face::kEverythingElse && has_page_ && !has_page_(request.path)) {
            continue;
        }
        const std::string name(http::kMethodNames.name(route.method));
        if (allowed.find(name) == std::string::npos) {
            allowed += (allowed.empty() ? "" : ", ") + name + (name == "GET" ? ", HEAD" : "");
        }
    }
    return std::nullopt;
}

void Router::run(const Route& route, Exchange exchange, const Visitor& visitor) const {
    if (route.where == Where::Loop) {
        return route.handler(std::move(exchange));
    }
    const Responder responder = exchange.responder;
    std::shared_ptr<void> place;
    if (!visitor.known) {
        if (strangers_->fetch_add(1) >= kMostStrangers) {
            strangers_->fetch_sub(1);
            Response busy = problem(429, "too many strangers ask at once, try again in a moment");
            return responder.send(std::move(busy.with("Retry-After", "1")));
        }
        place = std::shared_ptr<void>(nullptr, [all = strangers_](void*) { all->fetch_sub(1); });
    }
    auto shared = std::make_shared<Exchange>(std::move(exchange));
    // It may have waited behind others: who has lost the session or the role meanwhile is refused.
    const auto job = [this, &route, visitor, shared, place] {
        if (route.use_case.right && !gate_.still_holds(visitor)) {
            return shared->responder.send(problem(401, "log in first"));
        }
        route.handler(std::move(*shared));
    };
    if (!workers_.post(loop::WorkerPool::Lane::Short, job)) {
        Response busy = problem(503, "too much is waiting, try again in a moment");
        responder.send(std::move(busy.with("Retry-After", "1")));
    }
}

}  // namespace berth::rest
