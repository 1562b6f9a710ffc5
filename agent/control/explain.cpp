#include "agent/control/explain.h"

#include "shared/base/text.h"

namespace berth::control {

namespace {

bool went_wrong(AppState state) {
    return state == AppState::Backoff || state == AppState::Failed;
}

}  // namespace

std::string explain(const AppStatus& status,
                    const std::vector<wire::LogLine>& last_lines,
                    WallTime now) {
    const std::string state(kAppStateNames.name(status.state));
    const bool said =
        status.reason.rfind(state, 0) == 0;  // "stopped by admin", "exited 0 after 4 ms"
    std::string text = (said ? "" : state + ": ") + status.reason + " (since " +
                       local_time(status.since) + ", " + elapsed_text(now - status.since) + ")";
    if (status.next_try && *status.next_try > now) {
        text += "; the next try is in " + short_duration(*status.next_try - now);
    }
    if (status.state == AppState::Stopped && status.exit) {
        text += "; its last run " + describe(*status.exit);
    }
    if (status.restarts > 0) {
        text += "; restarted " + std::to_string(status.restarts) +
                (status.restarts == 1 ? " time" : " times") + " since it was started";
    }
    if (status.changed_on_disk) {
        text += "; it runs with an older descriptor than the one that is registered";
    }
    if (went_wrong(status.state) && !last_lines.empty()) {
        text += "; last lines:";
        for (const wire::LogLine& line : last_lines) {
            text += "\n  " + printable(line.text);
        }
    }
    return text;
}

}  // namespace berth::control
