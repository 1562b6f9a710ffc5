#pragma once

#include <string>
#include <vector>

#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::control {

// What is known about an app when somebody asks why it is in its state.
struct ExplainFacts {
    AppStatus status;
    RestartPolicy policy = RestartPolicy::OnFailure;
    std::vector<std::string> awaited;  // "db is starting: tcp …: connection refused"
    std::vector<wire::LogLine> last_lines;
    WallTime now;
    std::string keeper_problem;  // empty: the keeper answers
};

// Why an app is in its state.
struct Explanation {
    AppState state = AppState::Stopped;
    std::string cause;                  // "exited 3 after 21 s, failed 2 times in a row"
    std::string since;                  // "2026-11-24 14:02:11, 0:00:05"
    std::string actor;                  // who asked for it; empty: nobody did
    std::vector<std::string> evidence;  // what was seen, a sentence each
    std::vector<std::string> lines;     // of its log, where they tell something
    std::string next;                   // what happens by itself; empty: nothing

    // All of it in a few lines.
    [[nodiscard]] std::string text() const;
};

Explanation explain(const ExplainFacts& facts);

}  // namespace berth::control
