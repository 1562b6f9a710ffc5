#include "agent/backend/native/exit_text.h"

#include <sys/wait.h>

#include "agent/backend/native/limits.h"
#include "shared/os/os_error.h"

namespace berth::native {

using keeperlink::StartStage;

namespace {

WallTime wall_time(std::int64_t ns) {
    return WallTime(Duration(ns));
}

// Of an Exited or a RunFact.
template <class Fact>
ExitStatus end_status(const Fact& fact, const AppSpec* spec) {
    ExitStatus status = exit_status(fact.wait_status, fact.status_known);
    if (status.kind != ExitKind::Code) {  // one that exits by itself was not killed
        status.cause =
            cause_text(fact.cause, fact.cause_used, spec != nullptr ? spec->limits : LimitsSpec());
    }
    return status;
}

}  // namespace

ExitStatus exit_status(int wait_status, bool known) {
    if (!known) {
        return {ExitKind::Unknown, 0, false};
    }
    if (WIFSIGNALED(wait_status)) {
        return {ExitKind::Signal, WTERMSIG(wait_status), WCOREDUMP(wait_status) != 0};
    }
    return {ExitKind::Code, WEXITSTATUS(wait_status), false};
}

backend::Ended ended_of(const keeperlink::Exited& exited, const AppSpec* spec) {
    return {end_status(exited, spec), wall_time(exited.wall_ns), exited.tree_gone};
}

std::string start_problem(StartStage stage, int number, const AppSpec* spec) {
    std::string problem = std::string(keeperlink::stage_text(stage)) + " failed";
    if (stage == StartStage::Exec && spec != nullptr && !spec->argv.empty()) {
        problem = "cannot run \"" + spec->argv.front() + "\"";
    } else if (stage == StartStage::Folder && spec != nullptr) {
        problem = "cannot change to its folder \"" + spec->cwd + "\"";
    } else if (stage == StartStage::PreStart) {
        return "hooks.pre_start " + berth::describe(exit_status(number, /*known=*/true));
    } else if (stage == StartStage::KeeperDied) {
        return keeperlink::stage_text(stage);
    }
    return problem + ": " + os::error_text(number);
}

backend::RunFact fact_of(const keeperlink::RunFact& fact, const AppSpec* spec) {
    using Phase = backend::RunFact::Phase;
    backend::RunFact neutral;
    neutral.run = {fact.run.id, fact.run.generation};
    neutral.pid = fact.pid;
    neutral.started = wall_time(fact.started_ns);
    neutral.ready = fact.ready;
    switch (fact.phase) {
        case keeperlink::RunPhase::Spawned:
            neutral.phase = Phase::Accepted;
            break;
        case keeperlink::RunPhase::Running:
            neutral.phase = Phase::Running;
            break;
        case keeperlink::RunPhase::Exited:
            neutral.phase = Phase::Ended;
            neutral.end = {end_status(fact, spec), wall_time(fact.ended_ns), fact.tree_gone};
            break;
        case keeperlink::RunPhase::Failed:
            neutral.phase = Phase::Failed;
            neutral.problem = start_problem(fact.stage, fact.os_errno, spec);
            break;
    }
    return neutral;
}

}  // namespace berth::native
