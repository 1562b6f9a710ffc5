#include "agent/keeper/agent_process.h"

#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"
#include "shared/time/backoff.h"

namespace berth::keeper {

namespace {

constexpr Duration kGoodRun = std::chrono::seconds(2);

}  // namespace

AgentProcess::AgentProcess(loop::EventLoop& loop,
                           std::vector<std::string> command,
                           std::function<void(os::UniqueFd)> started)
    : loop_(loop), command_(std::move(command)), started_(std::move(started)) {}

void AgentProcess::start(bool shutdown) {
    retry_.reset();
    started_at_ = loop_.now().mono;
    auto pair = os::make_socketpair(os::SocketKind::Stream);
    if (!pair) {
        log::error("cannot start the agent", {{"error", pair.error().message}});
        return ended(/*killed=*/false, shutdown);
    }
    os::HelperSpec spec;
    spec.argv = command_;
    spec.argv.insert(spec.argv.end(), {"--keeper-fd", "3"});
    if (shutdown) {
        spec.argv.emplace_back("--shutdown");
    }
    spec.inherit = pair->second.get();
    const auto pid = os::start_helper(spec);
    if (!pid) {
        log::error("cannot start the agent", {{"error", pid.error().message}});
        return ended(/*killed=*/false, shutdown);
    }
    pid_ = *pid;
    started_(std::move(pair->first));
}

void AgentProcess::ended(bool killed, bool shutdown) {
    pid_ = 0;
    const bool good = killed || loop_.now().mono - started_at_ > kGoodRun;
    quick_failures_ = good ? 0 : quick_failures_ + 1;
    BackoffPolicy policy;
    policy.delay = std::chrono::milliseconds(50);
    policy.max_delay = std::chrono::seconds(5);
    policy.jitter = 0;
    const Duration delay =
        good ? Duration::zero() : backoff_delay(policy, quick_failures_ - 1, 0.5);
    retry_ = loop_.after(delay, [this, shutdown] { start(shutdown); });
}

}  // namespace berth::keeper
