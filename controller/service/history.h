#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/service/agent_requests.h"
#include "controller/service/runner.h"
#include "shared/model/explanation.h"

namespace berth::service {

// What has happened, by an agent's number.
struct Event {
    std::string agent;
    std::uint64_t seq = 0;
    WallTime time;
    std::string app;
    std::string state;
    std::string text;
};

struct EventQuery {
    std::string agent;                   // "" for all
    std::optional<std::uint64_t> after;  // of this number of that agent; else the newest
    std::uint64_t limit = 0;
};

// What has happened to apps, and what would. Texts may quote secrets: who shows them masks them for
// those who must not see them. Figures, crashes and details are given as the agent sends them. Any
// thread.
class History {
public:
    History(const Runner& runner, const AgentRequests& agents) : runner_(runner), agents_(agents) {}

    // The app with its descriptor, its states and its runs: "app", "spec", "history", "runs".
    void details(const Caller& caller, const AppAddress& app, const Done<wire::Value>& done) const;

    void explain(const Caller& caller, const AppAddress& app, const Done<Explanation>& done) const;

    void metrics(const Caller& caller,
                 const AppAddress& app,
                 std::optional<WallTime> since,
                 const Done<wire::Value>& done) const;

    void crashes(const Caller& caller,
                 const AppAddress& app,
                 std::uint64_t limit,
                 const Done<wire::Value>& done) const;

    // Everything that would keep the app from starting.
    void obstacles(const Caller& caller,
                   const AppAddress& app,
                   const Done<std::vector<std::string>>& done) const;

    // Of all agents that answer, by time.
    void events(const Caller& caller,
                const EventQuery& query,
                const Done<std::vector<Event>>& done) const;

private:
    const Runner& runner_;
    const AgentRequests& agents_;
};

}  // namespace berth::service
