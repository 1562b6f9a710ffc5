#include "agent/keeper/agent_process.h"

#include <unistd.h>

#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"
#include "shared/time/backoff.h"

namespace berth::keeper {

namespace {

constexpr Duration kGoodRun = std::chrono::seconds(2);
constexpr Duration kEnd = std::chrono::seconds(1);

}  // namespace

AgentProcess::AgentProcess(loop::EventLoop& loop,
                           std::vector<std::string> command,
                           std::function<void(os::UniqueFd)> started)
    : loop_(loop), command_(std::move(command)), started_(std::move(started)) {}

void AgentProcess::start(bool shutdown) {
    retry_.reset();
    started_at_ = loop_.now().mono;
    killed_ = false;
    auto pair = os::make_socketpair(os::SocketKind::Stream);
    if (!pair) {
        log::error("cannot start the agent", {{"error", pair.error().message}});
        return start_again(shutdown);
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
        return start_again(shutdown);
    }
    pid_ = *pid;
    life_ = AgentLife::Ours;
    started_(std::move(pair->first));
}

void AgentProcess::start_again(bool shutdown) {
    const bool good = killed_ || loop_.now().mono - started_at_ > kGoodRun;
    quick_failures_ = good ? 0 : quick_failures_ + 1;
    const BackoffPolicy policy{
        .delay = std::chrono::milliseconds(50), .max_delay = std::chrono::seconds(5), .jitter = 0};
    const Duration delay =
        good ? Duration::zero() : backoff_delay(policy, quick_failures_ - 1, 0.5);
    retry_ = loop_.after(delay, [this, shutdown] { start(shutdown); });
}

void AgentProcess::attach(const os::UniqueFd& socket) {
    life_ = AgentLife::Foreign;
    // One of another version is not understood when it greets us. When it is dead already, our
    // parent is somebody else, who must not be taken for it.
    const pid_t parent = ::getppid();
    if (os::socketpair_maker(socket) == parent) {
        greeted(parent);
    }
    if (::getppid() != parent) {
        pidfd_.reset();
    }
}

void AgentProcess::greeted(pid_t pid) {
    auto pidfd = os::open_pidfd(pid);
    pidfd_ = pidfd ? std::move(*pidfd) : os::UniqueFd();
}

bool AgentProcess::link_lost(bool refused) {
    const AgentLife was = life_;
    switch (was) {
        case AgentLife::Ours:
            // Mostly it is about to end by itself. How tells one that was killed, which is started
            // again at once, from one that fails, so it is left to it.
            life_ = refused ? AgentLife::Refused : AgentLife::Ending;
            if (refused) {
                kill();
                break;
            }
            patience_ = loop_.after(kEnd, [this] {
                life_ = AgentLife::Refused;
                kill();
            });
            break;
        case AgentLife::Foreign:
            kill();  // gone already, mostly
            life_ = AgentLife::None;
            killed_ = true;
            break;
        case AgentLife::None:
        case AgentLife::Ending:
        case AgentLife::Refused:
            break;
    }
    pidfd_.reset();
    return was == AgentLife::Foreign;
}

bool AgentProcess::ended(const siginfo_t& info) {
    if (pid_ == 0 || info.si_pid != pid_) {
        return false;
    }
    killed_ =
        info.si_code != CLD_EXITED && info.si_status == SIGKILL && life_ != AgentLife::Refused;
    life_ = AgentLife::None;
    pid_ = 0;
    pidfd_.reset();
    patience_.reset();
    return true;
}

bool AgentProcess::signal(int number) const {
    return pidfd_.valid() ? os::send_signal(pidfd_, number)
                          : pid_ != 0 && os::send_signal_to(pid_, number);
}

void AgentProcess::kill() const {
    if (pid_ != 0) {
        for (const pid_t pid : os::descendants_of(pid_)) {  // itself, too
            (void)os::send_signal_to(pid, SIGKILL);         // it may have ended meanwhile
        }
    }
    (void)signal(SIGKILL);  // the same
}

}  // namespace berth::keeper
