#include "controller/service/history.h"

#include <algorithm>

#include "controller/service/use_cases.h"
#include "shared/wire/status.h"

namespace berth::service {

namespace {

using wire::Value;

constexpr Duration kDeadline = std::chrono::seconds(5);

// Asks the app's agent, and gives what it answers as it is.
void look(const Runner& runner,
          const AgentRequests& agents,
          const UseCase& use_case,
          const Caller& caller,
          const AppAddress& app,
          const std::string& verb,
          Value::Map args,
          const Done<Value>& done) {
    args.emplace_back("id", app.id);
    runner.read<Value>(use_case, caller, done, [&](const Done<Value>& give) {
        agents.ask(
            app.agent, verb, std::move(args), kDeadline, [give](const Result<Value>& answer) {
                give({answer, From::Agent});
            });
    });
}

struct Gathering {
    std::size_t limit = 0;
    std::size_t missing = 0;
    std::vector<Event> events;
};

void add_events(Gathering& gathering, const std::string& agent, const Value& info) {
    for (const Value& event : info["events"].as_array()) {
        gathering.events.push_back({agent,
                                    event["seq"].as_uint(),
                                    wire::to_wall_time(event["time"]),
                                    event["app"].as_string(),
                                    event["state"].as_string(),
                                    event["text"].as_string()});
    }
}

std::vector<Event> newest(Gathering& gathering) {
    auto& events = gathering.events;
    std::stable_sort(
        events.begin(), events.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
    if (events.size() > gathering.limit) {
        events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(gathering.limit));
    }
    return std::move(events);
}

// Those that can be asked; all of them when `only` is empty.
std::vector<std::string> connected_agents(const fleet::FleetView& view, const std::string& only) {
    std::vector<std::string> agents;
    for (const auto& [name, agent] : view.agents) {
        if (agent->state == fleet::LinkState::Connected && (only.empty() || only == name)) {
            agents.push_back(name);
        }
    }
    return agents;
}

}  // namespace

void History::details(const Caller& caller, const AppAddress& app, const Done<Value>& done) const {
    look(runner_,
         agents_,
         kShowApp,
         caller,
         app,
         "show",
         {{"secrets", access::sees_secrets(caller.role)}},
         done);
}

void History::explain(const Caller& caller,
                      const AppAddress& app,
                      const Done<Explanation>& done) const {
    look(runner_,
         agents_,
         kShowHistory,
         caller,
         app,
         "explain",
         {},
         [done](const Answer<Value>& answer) {
             if (answer.result) {
                 done({wire::to_explanation(*answer.result)});
             } else {
                 done({fail(answer.result.error()), answer.from});
             }
         });
}

void History::metrics(const Caller& caller,
                      const AppAddress& app,
                      std::optional<WallTime> since,
                      const Done<Value>& done) const {
    Value::Map args;
    if (since) {
        args.emplace_back("since_ns", wire::to_value(*since));
    }
    look(runner_, agents_, kShowHistory, caller, app, "metrics", std::move(args), done);
}

void History::crashes(const Caller& caller,
                      const AppAddress& app,
                      std::uint64_t limit,
                      const Done<Value>& done) const {
    look(runner_, agents_, kShowHistory, caller, app, "crashes", {{"limit", limit}}, done);
}

void History::obstacles(const Caller& caller,
                        const AppAddress& app,
                        const Done<std::vector<std::string>>& done) const {
    using Texts = std::vector<std::string>;
    std::string exactly;  // ids have no other character that means something in a pattern
    for (const char c : app.id) {
        exactly += c == '.' ? "\\." : std::string(1, c);
    }
    runner_.read<Texts>(kShowHistory, caller, done, [&](const Done<Texts>& give) {
        agents_.ask(
            app.agent,
            "check",
            Value::Map{{"patterns", wire::strings({exactly})}},
            kDeadline,
            [give, id = app.id](const Result<Value>& answer) {
                if (!answer) {
                    return give({fail(answer.error()), From::Agent});
                }
                const Value& found = (*answer)["apps"][id];
                if (found.is_nil()) {
                    return give({fail(ErrorCode::NotFound, "no app has the id \"" + id + '"')});
                }
                give({found.as_strings()});
            });
    });
}

void History::events(const Caller& caller,
                     const EventQuery& query,
                     const Done<std::vector<Event>>& done) const {
    using Events = std::vector<Event>;
    runner_.read<Events>(kShowHistory, caller, done, [&](const Done<Events>& give) {
        Value::Map args{{"limit", query.limit}};
        if (query.after) {
            args.emplace_back("after", *query.after);
        }
        const auto agents = connected_agents(*agents_.view(), query.agent);
        const auto gathering =
            std::make_shared<Gathering>(Gathering{query.limit, agents.size(), {}});
        if (agents.empty()) {
            return give({Events()});
        }
        for (const std::string& agent : agents) {
            agents_.ask(agent,
                        "events",
                        args,
                        kDeadline,
                        [gathering, agent, give](const Result<Value>& answer) {
                            if (answer) {
                                add_events(*gathering, agent, *answer);
                            }
                            if (--gathering->missing == 0) {
                                give({newest(*gathering)});
                            }
                        });
        }
    });
}

}  // namespace berth::service
