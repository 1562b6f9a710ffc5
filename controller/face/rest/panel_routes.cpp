#include "controller/face/rest/services.h"

namespace berth::rest {

namespace {

using http::Access;
using http::Exchange;
using http::Method;
using http::Where;

void is_ready(const Services& services, const Exchange& exchange) {
    const auto readable = services.store.setup_token_hash();
    exchange.responder.send(readable ? http::text_response("ready\n")
                                     : http::problem(503, readable.error().message));
}

}  // namespace

std::vector<http::Route> panel_routes(const Services& services) {
    const Where where = services.assets.reads_folder() ? Where::Worker : Where::Loop;
    const auto page = [&services](const Exchange& exchange) {
        exchange.responder.send(services.assets.answer(exchange.request));
    };
    return {
        {Method::Get,
         "/healthz",
         Access::Public,
         Where::Loop,
         [](const Exchange& exchange) { exchange.responder.send(http::text_response("ok\n")); },
         {"The controller runs", "", "", "", 200}},
        {Method::Get,
         "/readyz",
         Access::Public,
         Where::Worker,
         [&services](const Exchange& exchange) { is_ready(services, exchange); },
         {"The controller can work: its database answers", "", "", "", 200}},
        {Method::Get,
         "/api/v1/live",
         Access::Viewer,
         Where::Loop,
         [&services](const Exchange& exchange) { services.hub.accept(exchange); },
         {"WebSocket: a snapshot, numbered deltas, followed logs. The frames follow (app, tail) "
          "and "
          "unfollow (app) are known; others are answered with one of type error",
          "",
          "",
          "",
          101}},
        {Method::Get,
         http::kEverythingElse,
         Access::Public,
         where,
         page,
         {"The panel's pages and files", http::kAnyQuery, "", "", 200}},
    };
}

}  // namespace berth::rest
