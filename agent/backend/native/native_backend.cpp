#include "agent/backend/native/native_backend.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "agent/backend/native/exit_text.h"
#include "agent/backend/native/limits.h"
#include "agent/backend/native/preflight.h"
#include "agent/backend/native/process_sample.h"
#include "shared/base/text.h"
#include "shared/os/process.h"

namespace berth::native {

using backend::Refusal;
using backend::RunName;

namespace {

keeperlink::RunName keeper_name(const RunName& run) {
    return {run.id, run.generation};
}

RunName neutral_name(const keeperlink::RunName& run) {
    return {run.id, run.generation};
}

keeperlink::SignalScope keeper_scope(backend::Scope scope) {
    switch (scope) {
        case backend::Scope::Leader:
            return keeperlink::SignalScope::Leader;
        case backend::Scope::Group:
            return keeperlink::SignalScope::Group;
        case backend::Scope::Tree:
            break;
    }
    return keeperlink::SignalScope::Tree;
}

backend::Notified notified_of(const keeperlink::Notified& said) {
    constexpr std::uint64_t kMostUsec = 24ULL * 3600 * 1'000'000;
    backend::Notified neutral;
    neutral.ready = said.ready;
    neutral.watchdog = said.watchdog;
    neutral.watchdog_failed = said.watchdog_failed;
    neutral.extend = std::chrono::microseconds(std::min(said.extend_usec, kMostUsec));
    neutral.status = printable(said.status);
    return neutral;
}

// Hands each kind of fact on; one that it does not know of does not compile.
class Interpreter {
public:
    Interpreter(backend::Facts& facts, Inputs& inputs, BesideLines& beside)
        : facts_(facts), inputs_(inputs), beside_(beside) {}

    void operator()(const keeperlink::Started& started) const {
        facts_.started(neutral_name(started.run),
                       {started.pid, WallTime(Duration(started.wall_ns))});
    }

    void operator()(const keeperlink::StartFailed& failed) const {
        const RunName run = neutral_name(failed.run);
        facts_.start_failed(run,
                            {start_problem(failed.stage, failed.os_errno, facts_.spec_of(run))});
    }

    void operator()(const keeperlink::Exited& exited) const {
        const RunName run = neutral_name(exited.run);
        inputs_.on_ended(exited.run);
        facts_.ended(run, ended_of(exited, facts_.spec_of(run)));
    }

    void operator()(const keeperlink::TreeGone& gone) const {
        facts_.tree_gone(neutral_name(gone.run));
    }

    void operator()(const keeperlink::LogTaken& log) const {
        facts_.log_disturbed(neutral_name(log.run), log.trouble);
    }

    void operator()(const keeperlink::Notified& said) const {
        facts_.notified(neutral_name(said.run), notified_of(said));
    }

    void operator()(const keeperlink::RunFact& fact) const {
        facts_.known_already(fact_of(fact, facts_.spec_of(neutral_name(fact.run))));
    }

    void operator()(const keeperlink::ExecDone& done) const { beside_.on_done(done); }

    void operator()(const keeperlink::InputTaken& taken) const { inputs_.on_taken(taken); }

    void operator()(const keeperlink::InputRoom& room) const { inputs_.on_room(room.run); }

    // No facts of runs: what the client keeps, what the agent is told, and what we say.
    void operator()(const keeperlink::Hello& /*message*/) const {}

    void operator()(const keeperlink::SnapshotEnd& /*message*/) const {}

    void operator()(const keeperlink::Pong& /*message*/) const {}

    void operator()(const keeperlink::LogRotated& /*message*/) const {}

    void operator()(const keeperlink::UpgradeAnswer& /*message*/) const {}

    void operator()(const keeperlink::SaidByAgent auto& /*message*/) const {}

private:
    backend::Facts& facts_;
    Inputs& inputs_;
    BesideLines& beside_;
};

}  // namespace

NativeBackend::NativeBackend(loop::EventLoop& loop, KeeperClient& keeper, LaunchContext launch)
    : loop_(loop),
      keeper_(keeper),
      launch_(std::move(launch)),
      inputs_(loop, keeper),
      beside_(keeper) {
    const auto boot = os::boot_id();
    boot_ = boot ? *boot : std::string();
}

void NativeBackend::on_snapshot(const std::vector<keeperlink::RunFact>& runs,
                                std::int32_t keeper_pid) {
    beside_.on_lost();
    inputs_.on_lost();
    const auto stat = os::read_stat(keeper_pid);
    const backend::Session session{boot_,
                                   boot_ + "/" + std::to_string(keeper_pid) + "/" +
                                       std::to_string(stat ? stat->start_ticks : 0)};
    std::vector<backend::RunFact> facts;
    facts.reserve(runs.size());
    for (const keeperlink::RunFact& run : runs) {
        facts.push_back(fact_of(run, facts_->spec_of(neutral_name(run.run))));
    }
    facts_->snapshot(facts, session);
}

void NativeBackend::on_fact(const keeperlink::Message& message) {
    std::visit(Interpreter(*facts_, inputs_, beside_), message);
}

std::vector<backend::Obstacle> NativeBackend::preflight(const LaunchRequest& request) const {
    return native::preflight(launch_, request).obstacles;
}

std::vector<std::string> NativeBackend::remarks(const LaunchRequest& request) const {
    const auto withheld = withheld_variables(launch_, request);
    if (withheld.empty()) {
        return {};
    }
    return {"of the agent's environment it does not get " + join(withheld, ", ") +
            "; app.inherit_env names what it needs of that"};
}

std::optional<Refusal> NativeBackend::start(const LaunchRequest& request, backend::Effort effort) {
    if (request.spec.backend == BackendType::Slurm) {
        return Refusal{"this version has no slurm backend", /*hopeless=*/true};
    }
    std::optional<keeperlink::Start> start;
    if (effort == backend::Effort::Thorough) {
        Preflight flight = native::preflight(launch_, request);
        if (!flight.start) {
            const bool hopeless = std::any_of(
                flight.obstacles.begin(), flight.obstacles.end(), [](const auto& obstacle) {
                    return !obstacle.may_pass;
                });
            return Refusal{backend::in_words(flight.obstacles), hopeless};
        }
        start = std::move(flight.start);
    } else {
        auto plan = plan_launch(launch_, request);
        if (!plan) {
            return Refusal{plan.error().message};
        }
        start = std::move(*plan);
    }
    if (auto made = prepare_launch(launch_, request.spec, *start); !made) {
        return Refusal{made.error().message};
    }
    keeper_.send(*start);
    return std::nullopt;
}

std::optional<Refusal> NativeBackend::start_line(const LaunchRequest& request,
                                                 const std::string& line,
                                                 const std::vector<std::string>& variables) {
    auto start = plan_line(launch_, request, line);
    if (!start) {
        return Refusal{start.error().message};
    }
    start->environment.insert(start->environment.end(), variables.begin(), variables.end());
    keeper_.send(*start);
    return std::nullopt;
}

void NativeBackend::signal(const RunName& run, int signal, backend::Scope scope) {
    keeper_.send(keeperlink::Signal{keeper_name(run), signal, keeper_scope(scope)});
}

void NativeBackend::input(const RunName& run, std::string data, Duration patience, InputDone done) {
    inputs_.send(keeper_name(run), std::move(data), patience, std::move(done));
}

void NativeBackend::resize(const RunName& run, std::uint32_t rows, std::uint32_t columns) {
    keeper_.send(keeperlink::Resize{keeper_name(run), rows, columns});
}

void NativeBackend::beside(const LaunchRequest& request,
                           const std::string& line,
                           Duration timeout,
                           BesideDone done) {
    auto start =
        keeper_.ready()
            ? plan_line(launch_, request, line)
            : Result<keeperlink::Start>(fail(ErrorCode::Unavailable, "the keeper is away"));
    if (!start) {
        using End = backend::BesideResult::End;
        const End end = start.error().code == ErrorCode::Unavailable ? End::Unknown : End::Failed;
        loop_.post([done = std::move(done),
                    result = backend::BesideResult{end, line + ": " + start.error().message}] {
            done(result);
        });
        return;
    }
    beside_.run(std::move(*start), line, timeout, std::move(done));
}

void NativeBackend::forget(const RunName& run) {
    keeper_.send(keeperlink::Forget{keeper_name(run)});
}

backend::Sample NativeBackend::sample(const RunName& run,
                                      std::int32_t pid,
                                      const backend::Sample& before,
                                      MonoTime now,
                                      backend::Detail detail) const {
    const std::string cgroup = keeper_.cgroup().empty() ? "" : keeper_.cgroup() + "/" + run.id;
    return take_sample(pid, cgroup, before, now, detail);
}

std::vector<LimitStatus> NativeBackend::limits(const LimitsSpec& limits) const {
    return limits_of(limits, keeper_.controllers());
}

std::string NativeBackend::id_of(const RunName& /*run*/) const {
    return std::to_string(keeper_.keeper_pid());
}

}  // namespace berth::native
