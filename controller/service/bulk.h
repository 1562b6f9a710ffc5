#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/service/agent_requests.h"
#include "controller/service/runner.h"

namespace berth::service {

inline constexpr std::size_t kMaxWords = 100;  // of a selector: each may be an expression

// One verb for many apps: those of `apps`, which are named one by one as AGENT/ID, or, when it is
// not there, those that the words of `selector` mean, which may be expressions.
struct BulkAction {
    std::string verb;
    bool if_needed = false;
    std::optional<std::vector<std::string>> apps;
    std::vector<std::string> selector;
    bool confirmed = false;  // that several apps may be forgotten by an expression
};

struct BulkOutcome {
    struct One {
        std::string app;
        std::string error;  // "": it went well
    };

    std::vector<One> apps;               // in the order that they were asked for, each once
    std::vector<std::string> unmatched;  // words that mean none
};

// Acts on many apps, all agents at once. Any thread.
class Bulk {
public:
    Bulk(const Runner& runner, const AgentRequests& agents) : runner_(runner), agents_(agents) {}

    void act(const Caller& caller, const BulkAction& action, const Done<BulkOutcome>& done) const;

private:
    const Runner& runner_;
    const AgentRequests& agents_;
};

}  // namespace berth::service
