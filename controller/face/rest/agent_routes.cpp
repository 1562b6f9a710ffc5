#include <algorithm>

#include "controller/face/rest/services.h"
#include "shared/base/text.h"
#include "shared/bus/key_text.h"
#include "shared/json/json_writer.h"
#include "shared/wire/status.h"

namespace berth::rest {

namespace {

using access::Right;
using http::Method;

constexpr Duration kEventsDeadline = std::chrono::seconds(5);

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
    const auto view = services.fleet.view();
    json::JsonWriter json;
    json.begin_object().key("agents").begin_array();
    for (const auto& [name, agent] : view->agents) {
        face::write_agent(json.begin_object(), seen_now(*agent));
        json.end_object();
    }
    exchange.responder.send(face::json_response(json.end_array().end_object().take()));
}

void get_agent(const Services& services, const Exchange& exchange) {
    const auto view = services.fleet.view();
    const auto found = view->agents.find(exchange.param("agent"));
    if (found == view->agents.end()) {
        return exchange.responder.send(face::problem(404, "no agent has this name"));
    }
    json::JsonWriter json;
    face::write_agent(json.begin_object(), seen_now(*found->second));
    exchange.responder.send(face::json_response(json.end_object().take()));
}

Result<store::AgentRow> read_agent(const Services& services, const json::JsonValue& body) {
    store::AgentRow agent;
    BERTH_TRY(agent.name, body.get<std::string>("name"));
    BERTH_TRY(agent.endpoint, body.get<std::string>("endpoint"));
    BERTH_TRY(agent.public_key, body.get<std::string>("public_key"));
    BERTH_CHECK(check_agent(agent));
    const auto view = services.fleet.view();
    const auto known = view->agents.find(agent.name);
    BERTH_TRY(const auto others, services.store.agents());
    BERTH_CHECK(
        check_new_agent(agent, known != view->agents.end() && known->second->local, others));
    return agent;
}

void add_agent(const Services& services, const Exchange& exchange) {
    const auto agent = read_agent(services, exchange.body());
    if (!agent) {
        return exchange.responder.send(face::problem_of(agent.error()));
    }
    const auto done = services.store.add_agent(*agent);
    audit(services, exchange, "add agent", agent->name, done ? "done" : done.error().message);
    if (!done) {
        return exchange.responder.send(face::problem_of(done.error()));
    }
    services.agents_changed();
    json::JsonWriter json;
    json.begin_object().field("name", agent->name).field("endpoint", agent->endpoint);
    exchange.responder.send(face::json_response(json.end_object().take(), 201));
}

void remove_agent(const Services& services, const Exchange& exchange) {
    const std::string& name = exchange.param("agent");
    const auto view = services.fleet.view();
    const auto shown = view->agents.find(name);
    if (shown != view->agents.end() && shown->second->local) {
        return exchange.responder.send(
            face::problem(409, "a local agent is there as long as its folder is"));
    }
    const auto done = services.store.remove_agent(name);
    audit(services,
          exchange,
          "remove agent",
          is_valid_id(name) ? name : "-",
          done ? "done" : done.error().message);
    if (!done) {
        return exchange.responder.send(face::problem_of(done.error()));
    }
    services.agents_changed();
    exchange.responder.send(http::no_content());
}

// --- events of several agents

struct EventsGathering {
    struct Event {
        WallTime time;
        std::string json;
    };

    Exchange exchange;
    std::size_t limit;
    std::size_t missing;
    std::vector<Event> events;
};

void write_event(EventsGathering& gathering, const std::string& agent, const wire::Value& event) {
    const WallTime time = wire::to_wall_time(event["time"]);
    json::JsonWriter json;
    json.begin_object().field("agent", agent).field("seq", event["seq"].as_uint());
    json.field("time", face::api_time(time)).field("app", event["app"].as_string());
    json.field("state", event["state"].as_string());
    json.field("text", text_for(gathering.exchange, event["text"].as_string()));
    gathering.events.push_back({time, json.end_object().take()});
}

void finish_events(EventsGathering& gathering) {
    auto& events = gathering.events;
    std::stable_sort(
        events.begin(), events.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
    const std::size_t first = events.size() > gathering.limit ? events.size() - gathering.limit : 0;
    json::JsonWriter json;
    json.begin_object().key("events").begin_array();
    for (std::size_t i = first; i < events.size(); ++i) {
        json.raw(events[i].json);
    }
    gathering.exchange.responder.send(face::json_response(json.end_array().end_object().take()));
}

// Those that can be asked; all of them when `only` is empty.
std::vector<std::string> connected_agents(const Services& services, const std::string& only) {
    std::vector<std::string> agents;
    for (const auto& [name, agent] : services.fleet.view()->agents) {
        if (agent->state == fleet::LinkState::Connected && (only.empty() || only == name)) {
            agents.push_back(name);
        }
    }
    return agents;
}

void gather_events(const Services& services,
                   const std::vector<std::string>& agents,
                   const wire::Value::Map& args,
                   const std::shared_ptr<EventsGathering>& gathering) {
    for (const std::string& agent : agents) {
        const auto take = [gathering, agent](const Result<wire::Value>& answer) {
            if (answer) {
                for (const wire::Value& event : (*answer)["events"].as_array()) {
                    write_event(*gathering, agent, event);
                }
            }
            if (--gathering->missing == 0) {
                finish_events(*gathering);
            }
        };
        ask(services, agent, "events", args, kEventsDeadline, take);
    }
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
    wire::Value::Map args{{"limit", *limit}};
    if (numbered) {
        args.emplace_back("after", *after);
    }
    const auto agents = connected_agents(services, only);
    const auto gathering =
        std::make_shared<EventsGathering>(EventsGathering{exchange, *limit, agents.size(), {}});
    if (agents.empty()) {
        return finish_events(*gathering);
    }
    gather_events(services, agents, args, gathering);
}

}  // namespace

Result<void> check_new_agent(const store::AgentRow& agent,
                             bool is_local,
                             const std::vector<store::AgentRow>& others) {
    if (is_local) {
        return fail(ErrorCode::AlreadyExists,
                    "an agent of this machine is named \"" + agent.name +
                        "\"; give the other one another name here, its own need not change");
    }
    for (const store::AgentRow& other : others) {
        if (other.name == agent.name) {
            return fail(ErrorCode::AlreadyExists,
                        "an agent is named \"" + agent.name + "\" already, at " + other.endpoint +
                            "; remove that one first, or take another name");
        }
        if (other.public_key == agent.public_key) {
            return fail(ErrorCode::AlreadyExists,
                        "the agent with this key is there already, as \"" + other.name + "\"");
        }
    }
    return {};
}

Result<void> check_agent(store::AgentRow& agent) {
    if (!is_valid_id(agent.name)) {
        return fail(ErrorCode::InvalidArgument, "an agent's name is " + std::string(kIdRule));
    }
    if (agent.endpoint.find("://") == std::string::npos) {
        agent.endpoint.insert(0, "tcp://");
    }
    const bool tcp = agent.endpoint.rfind("tcp://", 0) == 0 && agent.endpoint.size() <= 300;
    const std::size_t colon = agent.endpoint.rfind(':');
    const std::string_view port =
        tcp && colon > 6 ? std::string_view(agent.endpoint).substr(colon + 1) : std::string_view();
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != std::string_view::npos) {
        return fail(ErrorCode::InvalidArgument, "an endpoint is tcp://HOST:PORT");
    }
    const auto key = bus::parse_key(agent.public_key);
    if (!key) {
        return fail(ErrorCode::InvalidArgument, "a public key is " + std::string(bus::kKeyRule));
    }
    agent.public_key = *key;
    return {};
}

std::vector<Route> agent_routes(const Services& services) {
    return {
        {Method::Get,
         "/api/v1/agents",
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) { list_agents(services, exchange); },
         {"All agents", "", "", "Agents", 200}},
        {Method::Post,
         "/api/v1/agents",
         Right::Administer,
         Where::Worker,
         [&services](const Exchange& exchange) { add_agent(services, exchange); },
         {"Add a remote agent", "", "NewAgent", "", 201}},
        {Method::Get,
         "/api/v1/agents/{agent}",
         Right::View,
         Where::Loop,
         [&services](const Exchange& exchange) { get_agent(services, exchange); },
         {"One agent", "", "", "Agent", 200}},
        {Method::Delete,
         "/api/v1/agents/{agent}",
         Right::Administer,
         Where::Worker,
         [&services](const Exchange& exchange) { remove_agent(services, exchange); },
         {"Forget a remote agent", "", "", "", 204}},
        {Method::Get,
         "/api/v1/events",
         Right::View,
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
