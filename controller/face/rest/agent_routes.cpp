#include "controller/face/fleet_json.h"
#include "controller/face/rest/exchange.h"
#include "controller/face/rest/services.h"
#include "controller/service/use_cases.h"
#include "shared/json/json_writer.h"

namespace berth::rest {

namespace {

using http::Method;

// The view with the time at which its agent was heard of last, which is no change that makes a new
// one.
fleet::AgentView seen_now(const fleet::AgentView& view) {
    fleet::AgentView now = view;
    if (const std::int64_t last = view.heard ? view.heard->load() : 0; last != 0) {
        now.last_seen = WallTime(Duration(last));
    }
    return now;
}

void list_agents(const Services& services, const Exchange& exchange) {
    const auto view = services.use.view(caller_of(exchange));
    if (refuse_any(exchange, view)) {
        return;
    }
    json::JsonWriter json;
    json.begin_object().key("agents").begin_array();
    for (const auto& [name, agent] : (*view)->agents) {
        face::write_agent(json.begin_object(), seen_now(*agent));
        json.end_object();
    }
    exchange.responder.send(face::json_response(json.end_array().end_object().take()));
}

void get_agent(const Services& services, const Exchange& exchange) {
    const auto view = services.use.view(caller_of(exchange));
    if (refuse_any(exchange, view)) {
        return;
    }
    const auto found = (*view)->agents.find(exchange.param("agent"));
    if (found == (*view)->agents.end()) {
        return exchange.responder.send(face::problem(404, "no agent has this name"));
    }
    json::JsonWriter json;
    face::write_agent(json.begin_object(), seen_now(*found->second));
    exchange.responder.send(face::json_response(json.end_object().take()));
}

Result<store::AgentRow> read_agent(const json::JsonValue& body) {
    store::AgentRow agent;
    BERTH_TRY(agent.name, body.get<std::string>("name"));
    BERTH_TRY(agent.endpoint, body.get<std::string>("endpoint"));
    BERTH_TRY(agent.public_key, body.get<std::string>("public_key"));
    return agent;
}

void add_agent(const Services& services, const Exchange& exchange) {
    const auto agent = read_agent(exchange.body());
    if (refuse_any(exchange, agent)) {
        return;
    }
    const auto added = services.use.agents.add(caller_of(exchange), *agent);
    if (refuse_any(exchange, added)) {
        return;
    }
    json::JsonWriter json;
    json.begin_object().field("name", added->name).field("endpoint", added->endpoint);
    exchange.responder.send(face::json_response(json.end_object().take(), 201));
}

void remove_agent(const Services& services, const Exchange& exchange) {
    const auto done = services.use.agents.remove(caller_of(exchange), exchange.param("agent"));
    if (!refuse_any(exchange, done)) {
        exchange.responder.send(http::no_content());
    }
}

http::Response events_response(const Sight& sight, const std::vector<service::Event>& events) {
    json::JsonWriter json;
    json.begin_object().key("events").begin_array();
    for (const service::Event& event : events) {
        json.begin_object().field("agent", event.agent).field("seq", event.seq);
        json.field("time", face::api_time(event.time)).field("app", event.app);
        json.field("state", event.state).field("text", sight.text(event.text)).end_object();
    }
    return face::json_response(json.end_array().end_object().take());
}

// The newest events of all agents that answer, or those after number `after` of one agent.
void get_events(const Services& services, const Exchange& exchange) {
    const auto limit = number_parameter(exchange.request, "limit", 200, 1000);
    const auto after = number_parameter(exchange.request, "after", 0, UINT64_MAX);
    const std::string& only = exchange.request.parameter("agent");
    const bool numbered = !exchange.request.parameter("after").empty();
    if (!limit || !after) {
        return exchange.responder.send(face::problem(400, "limit and after are whole numbers"));
    }
    if (numbered && only.empty()) {
        return exchange.responder.send(
            face::problem(400, "events are numbered by each agent: after needs agent"));
    }
    services.use.history.events(
        caller_of(exchange),
        {only, numbered ? std::optional(*after) : std::nullopt, *limit},
        reply<std::vector<service::Event>>(
            exchange, [sight = Sight(exchange)](const std::vector<service::Event>& events) {
                return events_response(sight, events);
            }));
}

}  // namespace

std::vector<Route> agent_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/agents",
         service::kShowFleet,
         Where::Loop,
         [&services](const Exchange& exchange) { list_agents(services, exchange); },
         {"All agents", "", "", "Agents", 200}},
        {Method::Post,
         "/api/v1/agents",
         service::kAddAgent,
         Where::Worker,
         [&services](const Exchange& exchange) { add_agent(services, exchange); },
         {"Add a remote agent", "", "NewAgent", "", 201}},
        {Method::Get,
         "/api/v1/agents/{agent}",
         service::kShowFleet,
         Where::Loop,
         [&services](const Exchange& exchange) { get_agent(services, exchange); },
         {"One agent", "", "", "Agent", 200}},
        {Method::Delete,
         "/api/v1/agents/{agent}",
         service::kRemoveAgent,
         Where::Worker,
         [&services](const Exchange& exchange) { remove_agent(services, exchange); },
         {"Forget a remote agent", "", "", "", 204}},
        {Method::Get,
         "/api/v1/events",
         service::kShowHistory,
         Where::Loop,
         [&services](const Exchange& exchange) { get_events(services, exchange); },
         {"What has happened: the newest of all agents, or those after a number of one",
          "agent,after,limit",
          "",
          "Events",
          200}},
    };
}

}  // namespace berth::rest
