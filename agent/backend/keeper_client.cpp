#include "agent/backend/keeper_client.h"

#include <unistd.h>

#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"

namespace berth::backend {

namespace {

constexpr Duration kRetryStart = std::chrono::seconds(1);

}  // namespace

KeeperClient::KeeperClient(loop::EventLoop& loop, std::vector<std::string> command, Events events)
    : loop_(loop), command_(std::move(command)), events_(std::move(events)) {}

void KeeperClient::connect(os::UniqueFd socket) {
    ready_ = false;
    runs_.clear();
    link_ = std::make_unique<keeperlink::Link>(
        loop_,
        std::move(socket),
        [this](const keeperlink::Message& message) { received(message); },
        [this](const Error& why) { closed(why); });
    link_->send(keeperlink::Hello{keeperlink::kProtocolVersion, ::getpid()});
}

Result<void> KeeperClient::start_keeper() {
    BERTH_TRY(os::FdPair pair, os::make_socketpair(os::SocketKind::Stream));
    os::HelperSpec spec;
    spec.argv = command_;
    spec.argv.insert(spec.argv.end(), {"--agent-fd", "3"});
    spec.inherit = pair.second.get();
    BERTH_TRY(child_, os::start_helper(spec));
    connect(std::move(pair.first));
    return {};
}

void KeeperClient::send(const keeperlink::Message& message) {
    if (link_ && ready_) {
        link_->send(message);
    }
}

void KeeperClient::flush() {
    if (link_) {
        link_->flush();
    }
}

void KeeperClient::received(const keeperlink::Message& message) {
    if (const auto* hello = std::get_if<keeperlink::Hello>(&message)) {
        keeper_pid_ = hello->pid;
    } else if (const auto* run = std::get_if<keeperlink::RunFact>(&message);
               run != nullptr && !ready_) {
        runs_.push_back(*run);
    } else if (const auto* end = std::get_if<keeperlink::SnapshotEnd>(&message)) {
        cgroup_ = end->cgroup;
        controllers_ = end->controllers;
        ready_ = true;
        const auto runs = std::move(runs_);
        runs_.clear();
        events_.snapshot(runs, keeper_pid_);
    } else {
        events_.fact(message);
    }
}

void KeeperClient::closed(const Error& why) {
    ready_ = false;
    link_.reset();
    if (leaving_) {
        return;
    }
    log::warning("the keeper has gone, starting the next one", {{"why", why.message}});
    if (child_ != 0 && os::reap(child_)) {
        child_ = 0;
    }
    if (auto started = start_keeper(); !started) {
        log::error("cannot start a keeper", {{"error", started.error().message}});
        retry_ = loop_.after(kRetryStart, [this, why] { closed(why); });
    }
}

}  // namespace berth::backend
