#include "agent/keeper/run.h"
#include "shared/log/log.h"
#include "shared/os/process.h"

namespace berth::keeper {

// The part of a Run that goes on with what an earlier keeper has begun.

using keeperlink::RunPhase;
using loop::Interest;

// The group that an earlier keeper has made for it, if anything is left in it.
void Run::find_cgroup() {
    tree_.leader = record_.pid;
    tree_.start_ticks = record_.start_ticks;
    if (context_.cgroup) {
        auto cgroup = context_.cgroup->child(record_.id);
        if (cgroup && !cgroup->processes().empty()) {
            tree_.cgroup = std::move(*cgroup);
        }
    }
}

bool Run::adopt(Changed ended) {
    tree_.adopted = true;
    find_cgroup();
    const auto logging = open_log();
    const auto opened = record_.tty != 0 ? Result<void>() : open_fifos(/*make=*/false);
    if (!logging || !opened) {
        log::warning(
            "cannot read on what an app writes",
            {{"app", record_.id}, {"error", (logging ? opened : logging).error().message}});
    } else if (record_.tty == 0) {
        watch_streams();
    }
    return watch_leader(std::move(ended));
}

RunHandover Run::hand_over() const {
    RunHandover to;
    to.id = record_.id;
    to.generation = record_.generation;
    to.output = output_ ? output_->fd().get() : -1;
    to.error = error_ ? error_->fd().get() : -1;
    to.input = input_.get();
    to.gate = gate_.get();
    to.adopted = tree_.adopted;
    to.killing = killing;
    to.forget_when_gone = forget_when_gone;
    to.pending_input = pending_input_;
    if (log_) {
        to.loss = log_->loss();
    }
    return to;
}

bool Run::resume(const RunHandover& from, Changed confirmed, Changed ended) {
    killing = from.killing;
    forget_when_gone = from.forget_when_gone;
    tree_.adopted = from.adopted;
    if (tree_gone()) {
        return false;
    }
    find_cgroup();
    if (auto logging = open_log(); !logging) {
        log::warning("cannot write the log of an app",
                     {{"app", record_.id}, {"error", logging.error().message}});
    } else {
        log_->inherit_loss(from.loss);
    }
    input_ = os::UniqueFd(from.input);
    if (from.output >= 0) {
        output_ = make_pump(os::UniqueFd(from.output), Stream::Stdout);
        error_ = from.error < 0 ? nullptr : make_pump(os::UniqueFd(from.error), Stream::Stderr);
        watch_streams();
    }
    pending_input_ = from.pending_input;
    if (!pending_input_.empty()) {
        flush_input();
    }
    if (from.gate >= 0) {
        gate_ = os::UniqueFd(from.gate);
        confirmed_ = std::move(confirmed);
        watch_gate();
    }
    if (finished()) {
        return false;
    }
    if (!from.adopted) {
        tree_.leader_alive = true;
        hear_notifications();
        return true;
    }
    if (!watch_leader(ended)) {
        ended(*this);
    }
    return false;
}

void Run::hear_notifications() {
    if (record_.notify == 0) {
        return;
    }
    if (auto socket = open_notify_socket(); !socket) {
        log::warning("cannot hear an app's notifications any more",
                     {{"app", record_.id}, {"error", socket.error().message}});
    }
}

// The leader is not our child: its pidfd tells when it ends. False: it has ended.
bool Run::watch_leader(Changed ended) {
    auto pidfd =
        record_.pid > 0 ? os::open_process({record_.pid, record_.start_ticks}) : std::nullopt;
    if (!pidfd) {
        return false;
    }
    set_phase(RunPhase::Running);
    tree_.leader_alive = true;
    hear_notifications();
    pidfd_ = std::move(*pidfd);
    pidfd_watch_ = context_.loop.watch(
        pidfd_.get(), Interest::Read, [this, ended = std::move(ended)](bool, bool) {
            ended(*this);
        });
    return true;
}

}  // namespace berth::keeper
