#include "agent/backend/native/keeper_client.h"

#include <unistd.h>

#include "shared/base/overloaded.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/process.h"

namespace berth::native {

namespace {

constexpr Duration kRetryStart = std::chrono::seconds(1);
constexpr Duration kReaction = std::chrono::milliseconds(500);  // then it is asked
constexpr Duration kSilence = std::chrono::seconds(3);          // so often at least, too

std::string silence_text(std::int32_t pid) {
    const std::string who = "the keeper (pid " + std::to_string(pid) + ")";
    return os::is_stopped(pid) ? who + " is stopped, `kill -CONT " + std::to_string(pid) +
                                     "` lets it go on; until then apps run on, but none can be "
                                     "started or ended"
                               : who +
                                     " does not answer; until it does apps run on, but none can "
                                     "be started or ended";
}

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
    spoken_ = loop_.now().mono;
    look_after_in(kSilence);
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
        if (!spoken_) {
            spoken_ = loop_.now().mono;
            look_after_in(kReaction);
        }
    }
}

void KeeperClient::confirm(Confirmed confirmed) {
    if (!link_ || !ready_) {
        return;
    }
    const std::uint64_t token = next_question_++;
    questions_.emplace(token, Question{loop_.now().mono, std::move(confirmed)});
    send(keeperlink::Ping{token});
}

void KeeperClient::answered(const keeperlink::Pong& pong) {
    const auto found = questions_.find(pong.token);
    if (found == questions_.end()) {
        return;
    }
    const Question question = std::move(found->second);
    questions_.erase(found);
    question.confirmed(loop_.now().mono - question.asked);
}

void KeeperClient::watch(bool watched) {
    watched_ = watched;
    if (watched && link_ && !look_after_.active()) {
        look_after_in(kSilence);
    }
}

// Whatever it says shows that it lives.
void KeeperClient::heard() {
    spoken_.reset();
    set_problem({});
}

void KeeperClient::look_after_in(Duration delay) {
    look_after_ = loop_.after(delay, [this] { look_after(); });
}

void KeeperClient::look_after() {
    const Duration silent = spoken_ ? loop_.now().mono - *spoken_ : Duration::zero();
    if (silent >= kSilence) {
        set_problem(silence_text(keeper_pid_));
        return look_after_in(kSilence);
    }
    if (!spoken_ && !watched_) {
        return look_after_.reset();
    }
    if (!spoken_ || questions_.empty()) {
        confirm([](Duration) {});
    }
    look_after_in(kSilence - silent);
}

void KeeperClient::set_problem(std::string problem) {
    if (problem == problem_) {
        return;
    }
    problem_ = std::move(problem);
    if (problem_.empty()) {
        log::info("the keeper answers again");
    } else {
        log::warning("the keeper is silent", {{"why", problem_}});
    }
    events_.problem_changed();
}

void KeeperClient::flush() {
    if (link_) {
        link_->flush();
    }
}

void KeeperClient::received(const keeperlink::Message& message) {
    heard();
    std::visit(
        Overloaded{
            [this](const keeperlink::Hello& hello) { keeper_pid_ = hello.pid; },
            [this, &message](const keeperlink::RunFact& run) {
                if (ready_) {
                    events_.fact(message);
                } else {
                    runs_.push_back(run);
                }
            },
            [this](const keeperlink::SnapshotEnd& end) { snapshot_ended(end); },
            [this](const keeperlink::Pong& pong) { answered(pong); },
            [this, &message](const keeperlink::SaidByKeeper auto&) { events_.fact(message); },
            [](const keeperlink::SaidByAgent auto&) {},  // our own words
        },
        message);
}

void KeeperClient::snapshot_ended(const keeperlink::SnapshotEnd& end) {
    cgroup_ = end.cgroup;
    controllers_ = end.controllers;
    ready_ = true;
    const auto runs = std::move(runs_);
    runs_.clear();
    events_.snapshot(runs, keeper_pid_);
}

void KeeperClient::closed(const Error& why) {
    ready_ = false;
    link_.reset();
    questions_.clear();
    look_after_.reset();
    heard();
    if (leaving_) {
        return;
    }
    if (why.code == ErrorCode::WrongState) {
        log::warning("the keeper is of another version", {{"why", why.message}});
        return events_.replaced();
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

}  // namespace berth::native
