#pragma once

#include <string>
#include <vector>

#include "agent/supervisor/machine.h"
#include "shared/model/app_status.h"
#include "shared/model/explanation.h"
#include "shared/wire/control.h"

namespace berth::control {

// What is known about an app when somebody asks why it is in its state.
struct ExplainFacts {
    AppStatus status;
    AppKind kind = AppKind::Service;
    RestartPolicy policy = RestartPolicy::OnFailure;
    std::optional<UnknownEnd> unknown;  // restart.unknown
    std::string zone;                   // of its schedule
    supervisor::Machine::Outlook outlook = supervisor::Machine::Outlook::StaysDown;
    std::vector<std::string> awaited;  // "db is starting: tcp …: connection refused"
    std::vector<wire::LogLine> last_lines;
    WallTime now;
    std::string keeper_problem;  // empty: the keeper answers
};

Explanation explain(const ExplainFacts& facts);

}  // namespace berth::control
