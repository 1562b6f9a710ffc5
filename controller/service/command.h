#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/time/clock.h"
#include "shared/wire/control.h"

namespace berth::service {

// A verb for apps of one agent.
struct Command {
    std::string verb;
    std::vector<std::string> ids;
    std::string actor;
    std::string key;         // idempotency key, "" for none
    Duration start_within;   // later the agent must not begin
    Duration timeout;        // how long the agent waits for the outcome
    bool if_needed = false;  // what is so already is no failure
};

inline constexpr Duration kAnswerGrace = std::chrono::seconds(2);  // for the answer to come

// start, stop, restart, kill, clean, reload.
bool is_act_verb(std::string_view verb);

// What the agent is sent.
wire::Value act_args(const Command& command);

// What the agent said of one app, as an error; nothing: it went well.
std::optional<Error> outcome_of(const wire::Value& info, const std::string& id);

}  // namespace berth::service
