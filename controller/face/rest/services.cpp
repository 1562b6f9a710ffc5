#include "controller/face/rest/services.h"

#include "controller/face/rest/openapi.h"
#include "controller/service/use_cases.h"

namespace berth::rest {

std::vector<Route> all_routes(const Services& services) {
    std::vector<Route> routes;
    for (auto* const make : {&session_routes,
                             &agent_routes,
                             &app_routes,
                             &action_routes,
                             &history_routes,
                             &log_routes,
                             &mail_routes,
                             &user_routes,
                             &panel_routes}) {
        for (Route& route : make(services)) {
            routes.push_back(std::move(route));
        }
    }
    // The document describes itself too, so its route is there before its text.
    routes.push_back({http::Method::Get,
                      "/api/v1/openapi.json",
                      service::kShowPublic,
                      Where::Loop,
                      {},
                      {"This description, in OpenAPI 3.1", "", "", "", 200}});
    const auto text = std::make_shared<const std::string>(
        openapi_document(routes, services.cookies.plain_name(access::kSessionCookie)));
    routes.back().handler = [text](const Exchange& exchange) {
        http::Response response;
        response.body = http::Body::shared(text);
        response.with("Content-Type", "application/json");
        exchange.responder.send(std::move(response));
    };
    return routes;
}

}  // namespace berth::rest
