#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/access/identity.h"
#include "controller/face/pattern.h"
#include "controller/http/request.h"
#include "controller/http/responder.h"
#include "controller/service/use_case.h"
#include "shared/json/json_value.h"

namespace berth::rest {

// Where a handler runs: on the http loop, when it never blocks, or on a worker thread.
enum class Where : std::uint8_t { Loop, Worker };

// What a handler gets. Copies share the responder.
struct Exchange {
    http::Request request;
    std::map<std::string, std::string> params;  // of the path, decoded
    std::optional<access::Identity> who;
    http::Responder responder;
    std::shared_ptr<const json::JsonValue> object;  // the body, whose members the route knows

    // The body; without one, an object without members.
    [[nodiscard]] const json::JsonValue& body() const;

    // The parameter of this name, which the route's pattern has.
    [[nodiscard]] const std::string& param(const std::string& name) const {
        return params.at(name);
    }
};

using Handler = std::function<void(Exchange exchange)>;

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
    http::Method method = http::Method::Get;
    // "/api/v1/agents/{agent}"; a fixed part wins over a parameter. "{verb=start|stop}" is one of
    // these values only.
    std::string_view pattern;
    service::UseCase use_case;  // says who may
    Where where = Where::Loop;
    Handler handler;
    RouteDoc doc;
};

}  // namespace berth::rest
