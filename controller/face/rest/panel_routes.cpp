#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"

namespace berth::rest {

namespace {

using http::Method;

void is_ready(const Services& services, const Exchange& exchange) {
    const auto ready = services.use.sessions.check_ready();
    exchange.responder.send(ready ? http::text_response("ready\n")
                                  : face::problem(503, ready.error().message));
}

}  // namespace

std::vector<Route> panel_routes(const Services& services) {
    const Where where = services.assets.reads_folder() ? Where::Worker : Where::Loop;
    const auto page = [&services](const Exchange& exchange) {
        exchange.responder.send(services.assets.answer(exchange.request));
    };
    return {
        {Method::Get,
         "/healthz",
         service::kShowPublic,
         Where::Loop,
         [](const Exchange& exchange) { exchange.responder.send(http::text_response("ok\n")); },
         {"The controller runs", "", "", "", 200}},
        {Method::Get,
         "/readyz",
         service::kCheckReady,
         Where::Worker,
         [&services](const Exchange& exchange) { is_ready(services, exchange); },
         {"The controller can work: its database answers", "", "", "", 200}},
        {Method::Get,
         "/api/v1/live",
         service::kShowFleet,
         Where::Loop,
         [&services](const Exchange& exchange) {
             services.hub.accept(exchange.request, *exchange.who, exchange.responder);
         },
         {"WebSocket: a snapshot, numbered deltas, followed logs. The frames follow (app, tail) "
          "and "
          "unfollow (app) are known; others are answered with one of type error",
          "",
          "",
          "",
          101}},
        {Method::Get,
         face::kEverythingElse,
         service::kShowPublic,
         where,
         page,
         {"The panel's pages and files", face::kAnyQuery, "", "", 200}},
    };
}

}  // namespace berth::rest
