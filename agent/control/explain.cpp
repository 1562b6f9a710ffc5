#include "agent/control/explain.h"

#include "shared/base/text.h"

namespace berth::control {

namespace {

bool went_wrong(AppState state) {
    return state == AppState::Backoff || state == AppState::Failed;
}

bool was_asked_for(AppState state) {
    return state == AppState::Stopped || state == AppState::Stopping ||
           state == AppState::Starting || state == AppState::Running;
}

std::string policy_text(RestartPolicy policy) {
    switch (policy) {
        case RestartPolicy::Never:
            return "when it ends it stays down (restart.policy is never)";
        case RestartPolicy::OnFailure:
            return "when it fails it is restarted (restart.policy is on-failure)";
        case RestartPolicy::Always:
            break;
    }
    return "when it ends it is restarted (restart.policy is always)";
}

std::string next_of(const ExplainFacts& facts) {
    const AppStatus& status = facts.status;
    switch (status.state) {
        case AppState::Backoff:
            return status.next_try && *status.next_try > facts.now
                       ? "the next try is in " + short_duration(*status.next_try - facts.now)
                       : "the next try is due";
        case AppState::Waiting:
            return "it starts when that is ready";
        case AppState::Starting:
            return status.check.empty() ? "" : "it counts as running once its ready check succeeds";
        case AppState::Running:
            return policy_text(facts.policy);
        case AppState::Stopping:
            return status.desired == Desired::Running
                       ? "it is started again when nothing of it is left"
                       : "";
        case AppState::Stopped:
        case AppState::Exited:
        case AppState::Failed:
            break;
    }
    if (status.next_run) {
        return "its schedule (" + status.schedule + ") starts it at " +
               local_time(*status.next_run);
    }
    if (status.state == AppState::Stopped && status.desired == Desired::Running) {
        return "it is started when the agent starts";
    }
    return "it stays down until somebody starts it: berth start " + status.id;
}

}  // namespace

Explanation explain(const ExplainFacts& facts) {
    const AppStatus& status = facts.status;
    Explanation why;
    why.state = status.state;
    why.cause = status.reason.substr(0, status.reason.find("; next try in "));  // see `next`
    why.since = local_time(status.since) + ", " + elapsed_text(facts.now - status.since);
    why.actor = was_asked_for(status.state) ? status.actor : std::string();
    if (!facts.keeper_problem.empty()) {
        why.evidence.push_back(facts.keeper_problem);
    }
    if (!status.check.empty()) {
        why.evidence.push_back("its check: " + status.check);
    }
    if (status.state == AppState::Waiting) {
        why.evidence.insert(why.evidence.end(), facts.awaited.begin(), facts.awaited.end());
    }
    if (!status.said.empty()) {
        why.evidence.push_back("it says: " + status.said);
    }
    if (status.state == AppState::Stopped && status.exit) {
        why.evidence.push_back("its last run " + describe(*status.exit));
    }
    if (status.restarts > 0) {
        why.evidence.push_back("restarted " + std::to_string(status.restarts) +
                               (status.restarts == 1 ? " time" : " times") +
                               " since it was started");
    }
    if (status.changed_on_disk) {
        why.evidence.push_back(
            "it runs with an older descriptor than the one that is registered: berth restart " +
            status.id);
    }
    if (went_wrong(status.state)) {
        for (const wire::LogLine& line : facts.last_lines) {
            why.lines.push_back(printable(line.text));
        }
    }
    why.next = next_of(facts);
    return why;
}

std::string Explanation::text() const {
    const std::string name(kAppStateNames.name(state));
    const bool said = cause.rfind(name, 0) == 0;  // "stopped by admin", "exited 0 after 4 ms"
    std::string text = (said ? "" : name + ": ") + cause + " (since " + since + ")";
    for (const std::string& sentence : evidence) {
        text += "; " + sentence;
    }
    if (!next.empty()) {
        text += "; " + next;
    }
    if (!lines.empty()) {
        text += "; last lines:";
        for (const std::string& line : lines) {
            text += "\n  " + line;
        }
    }
    return text;
}

}  // namespace berth::control
