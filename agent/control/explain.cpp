#include "agent/control/explain.h"

#include "shared/base/text.h"
#include "shared/cron/cron_time.h"

namespace berth::control {

namespace {

bool went_wrong(AppState state) {
    return state == AppState::Backoff || state == AppState::Failed;
}

bool was_asked_for(AppState state) {
    return state == AppState::Stopped || state == AppState::Stopping ||
           state == AppState::Starting || state == AppState::Running;
}

std::string policy_text(const ExplainFacts& facts) {
    if (facts.kind == AppKind::OneShot && facts.policy == RestartPolicy::Never) {
        return "it is done when it ends, well or not (restart.policy is never)";
    }
    switch (facts.policy) {
        case RestartPolicy::Never:
            return "when it ends it stays down (restart.policy is never)";
        case RestartPolicy::OnFailure:
            return "when it fails it is restarted (restart.policy is on-failure)";
        case RestartPolicy::Always:
            break;
    }
    return "when it ends it is restarted (restart.policy is always)";
}

// The same for an end that nobody sees, as when the keeper is killed; "" where it is a failure as
// any other.
std::string unknown_text(const ExplainFacts& facts) {
    if (facts.unknown) {
        return "; an end that nobody sees counts as a " +
               std::string(kUnknownEndNames.name(*facts.unknown)) + " (restart.unknown)";
    }
    return facts.kind == AppKind::OneShot && facts.policy != RestartPolicy::Never
               ? "; should nobody see its end it is not run again by itself (restart.unknown)"
               : "";
}

// What follows once nothing of the present run is left.
std::string outlook_text(const ExplainFacts& facts) {
    using enum supervisor::Machine::Outlook;
    switch (facts.outlook) {
        case StaysDown:
            return "it stays down then";
        case StartsAgain:
            return "it is started again when nothing of it is left";
        case HasEnded:
            return "it has ended well and stays down";
        case GivesUp:
            return "it stays down then, restart.policy is " +
                   std::string(kRestartPolicyNames.name(facts.policy));
        case IsRetried:
            break;
    }
    return "it is restarted when nothing of it is left (restart.policy is " +
           std::string(kRestartPolicyNames.name(facts.policy)) + ")";
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
            return status.check.empty() ? "it counts as running when it has lived a moment longer"
                                        : "it counts as running once its ready check succeeds";
        case AppState::Running:
            return policy_text(facts) + unknown_text(facts);
        case AppState::Stopping:
            return outlook_text(facts);
        case AppState::Stopped:
        case AppState::Exited:
        case AppState::Failed:
            break;
    }
    if (status.next_run) {
        return "its schedule (" + status.schedule + ") starts it at " +
               cron::in_zone(*status.next_run, facts.zone);
    }
    const bool begins_with_agent = status.autostart && status.desired == Desired::Running;
    return "it stays down until somebody starts it: berth start " + status.id +
           (begins_with_agent ? ", or its home is brought up again" : "");
}

}  // namespace

Explanation explain(const ExplainFacts& facts) {
    const AppStatus& status = facts.status;
    Explanation why;
    why.state = status.state;
    why.cause = status.reason.substr(0, status.reason.find("; next try in "));  // see `next`
    why.since = status.since;
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
    if (!status.log_note.empty()) {
        why.evidence.push_back(status.log_note);
    }
    if (!status.descriptor_note.empty()) {
        why.evidence.push_back(status.descriptor_note);
    }
    if (went_wrong(status.state)) {
        for (const wire::LogLine& line : facts.last_lines) {
            why.lines.push_back(printable(wire::shown_text(line)));
        }
    }
    why.next = next_of(facts);
    return why;
}

}  // namespace berth::control
