#include "agent/keeper/keeper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/log/log.h"
#include "shared/os/cgroup_limits.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/find_process.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::Message;
using keeperlink::RunName;

namespace {

constexpr std::size_t kReadBuffer = 256U << 10U;

// Looked at first and reaped by pid after its end is recorded: a keeper that is killed in between
// has recorded it, or left it to be reaped by the next.
constexpr int kLookOnly = WEXITED | WNOHANG | WNOWAIT;

Result<os::UniqueFd> take_lock(const KeeperOptions& options) {
    const std::string path = options.home + "/run/keeper.lock";
    if (options.agent_fd >= 0) {
        // The old keeper is dead or dying. Whoever waits for its end in vain goes with the agent
        // that started it: each of its successors starts one too.
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        auto lock = os::lock_file(path);
        (void)::prctl(PR_SET_PDEATHSIG, 0);
        return lock;
    }
    // Without records this home begins, or somebody removed its run folder, the lock in it too,
    // under a keeper that lives: a second one would start all of its apps once more.
    const bool begins = !os::exists(options.home + "/run/keeper.records");
    if (const auto other =
            begins ? os::find_process("berth-keeper", "--home", options.home) : std::nullopt) {
        return fail(ErrorCode::AlreadyExists,
                    "a keeper runs for " + options.home + " already, pid " +
                        std::to_string(*other) + ", whose run folder was removed");
    }
    BERTH_TRY(std::optional<os::UniqueFd> lock, os::try_lock_file(path));
    if (!lock) {
        const auto pid = os::read_file(options.home + "/run/keeper.pid");
        return fail(
            ErrorCode::AlreadyExists,
            "a keeper runs for " + options.home + " already" + (pid ? ", pid " + *pid : ""));
    }
    return std::move(*lock);
}

Result<struct rlimit> raise_descriptor_limit() {
    struct rlimit original {};

    if (::getrlimit(RLIMIT_NOFILE, &original) != 0) {
        return fail(os::last_error("getrlimit"));
    }
    struct rlimit raised = original;
    raised.rlim_cur = raised.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) {
        return fail(os::last_error("setrlimit"));
    }
    return original;
}

// What started us may ignore some (nohup does), and each app would begin with that.
void stop_ignoring_signals() {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action {};

        if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
            (void)::signal(number, SIG_DFL);  // cannot fail for one that can be ignored
        }
    }
}

int wait_status_of(const siginfo_t& info) {
    return info.si_code == CLD_EXITED ? (info.si_status & 0xFF) << 8
                                      : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

}  // namespace

Keeper::Keeper(loop::EventLoop& loop,
               const KeeperOptions& options,
               os::UniqueFd lock,
               Records records)
    : loop_(loop),
      options_(options),
      lock_(std::move(lock)),
      records_(std::move(records)),
      context_{.loop = loop,
               .io_folder = options.home + "/run/io",
               .logs_folder = options.home + "/logs",
               .home_id = records_.home_id(),
               .tell = [this](const Message& message) { send(message); }},
      helpers_(context_, [this](const keeperlink::ExecDone& done) { send(done); }),
      agent_(
          loop, options.agent_command, [this](os::UniqueFd socket) { link_up(std::move(socket)); }),
      upgrade_check_(loop, options.home) {}

Result<std::unique_ptr<Keeper>> Keeper::create(loop::EventLoop& loop,
                                               const KeeperOptions& options) {
    BERTH_CHECK(os::make_folders(options.home + "/run/io"));
    std::optional<Handover> handover;
    if (options.handover_fd >= 0) {
        BERTH_TRY(handover, take_over(options.handover_fd));
    }
    BERTH_TRY(os::UniqueFd lock,
              handover ? Result<os::UniqueFd>(os::UniqueFd(handover->lock)) : take_lock(options));
    BERTH_TRY(Records records, Records::open(options.home + "/run/keeper.records"));
    std::unique_ptr<Keeper> keeper(new Keeper(loop, options, std::move(lock), std::move(records)));
    BERTH_CHECK(keeper->prepare(handover));
    return keeper;
}

Result<void> Keeper::prepare(const std::optional<Handover>& handover) {
    BERTH_CHECK(os::replace_file(options_.home + "/run/keeper.pid", std::to_string(::getpid())));
    BERTH_TRY(context_.original_nofile, raise_descriptor_limit());
    if (handover) {
        context_.original_nofile = handover->nofile;
        intent_ = handover->terminating ? Intent::Terminate : Intent::Run;
        version_tried_ = handover->version_tried;
    }
    context_.buffer.resize(kReadBuffer);
    BERTH_TRY(context_.nursery, Nursery::create());
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return fail(os::last_error("become a subreaper"));
    }
    stop_ignoring_signals();
    (void)::signal(SIGPIPE, SIG_IGN);  // cannot fail for a valid signal
    BERTH_TRY(signals_, os::make_signalfd({SIGCHLD, SIGTERM, SIGINT, SIGHUP}));
    signals_watch_ =
        loop_.watch(signals_.get(), loop::Interest::Read, [this](bool, bool) { on_signals(); });
    auto cgroup = options_.use_cgroup
                      ? os::Cgroup::create("berth-" + records_.home_id().substr(0, 12))
                      : Result<os::Cgroup>(fail(ErrorCode::Unavailable, "--no-cgroup was given"));
    if (cgroup) {
        context_.cgroup = std::move(*cgroup);
        context_.controllers = os::enable_controllers(context_.cgroup->path());
    } else {
        log::info("no cgroup, trees of processes are found by walking",
                  {{"why", cgroup.error().message}});
    }
    if (handover) {
        resume_runs(*handover);
    } else {
        adopt_runs();
    }
    for (const auto& [id, run] : runs_) {
        watch_limits(*run);
    }
    if (options_.agent_fd >= 0) {
        os::UniqueFd socket = os::take_inherited(options_.agent_fd);
        agent_.attach(socket);
        link_up(std::move(socket));
    } else {
        agent_.start(/*shutdown=*/terminating());
    }
    return {};
}

void Keeper::run() {
    loop_.run();
    if (link_) {
        link_->flush();
    }
    if (context_.cgroup) {
        (void)context_.cgroup->remove();  // stays when something is left in it
    }
}

void Keeper::link_up(os::UniqueFd socket) {
    if (agent_.pid() != 0) {
        known_children_.insert(agent_.pid());
    }
    ++links_;
    link_ = std::make_unique<keeperlink::Link>(
        loop_,
        std::move(socket),
        [this](const Message& message) { on_message(message); },
        [this](const Error& why) { link_down(why); });
    send(keeperlink::Hello{keeperlink::kProtocolVersion, ::getpid()});
    send_snapshot();
}

void Keeper::send_snapshot() {
    for (const auto* const runs : {&replaced_, &runs_}) {  // in the order in which they ran
        for (const auto& [id, run] : *runs) {
            send(run->fact());
        }
    }
    send(keeperlink::SnapshotEnd{static_cast<std::uint32_t>(runs_.size() + replaced_.size()),
                                 context_.cgroup ? context_.cgroup->path() : std::string(),
                                 context_.controllers});
}

// The agent has died, or is of no use any more: then it must not live on beside the next one.
void Keeper::link_down(const Error& why) {
    link_.reset();
    if (!next_program_.empty()) {
        if (agent_.pid() == 0) {
            become_next();
        }
        return;  // else when it has ended: its last answers are on their way
    }
    if (intent_ == Intent::Agentless || intent_ == Intent::Leave) {
        end_when_done();
        return;
    }
    log::warning("the link to the agent is down", {{"why", why.message}});
    const bool refused = why.code == ErrorCode::WrongState;
    const bool gone = agent_.link_lost(refused);
    if (refused && !std::exchange(version_tried_, true)) {
        try_upgrade({});  // the programs were replaced: it may be us who are old
    }
    if (gone) {
        agent_.start_again(terminating());
    }
}

void Keeper::on_signals() {
    while (const auto signal = os::next_signal(signals_.get())) {
        switch (signal->number) {
            case SIGCHLD:
                on_child(signal->pid);
                on_children();
                break;
            case SIGHUP:
                if (intent_ == Intent::Agentless) {
                    intent_ = Intent::Run;
                    agent_.start(/*shutdown=*/false);
                }
                break;
            default:
                on_terminate();
        }
    }
}

void Keeper::on_terminate() {
    const bool told = agent_.signal(SIGTERM);
    if (told && intent_ == Intent::Leave) {
        return;  // it is about to end, as are we
    }
    intent_ = Intent::Terminate;
    if (!told) {
        agent_.start(/*shutdown=*/true);
    }
}

// The child that the signal names. The kernel finds it at once, and goes through all children to
// find that there is no other.
void Keeper::on_child(pid_t pid) {
    siginfo_t info{};
    if (pid > 0 && ::waitid(P_PID, static_cast<id_t>(pid), &info, kLookOnly) == 0 &&
        info.si_pid != 0) {
        on_child_end(info);
    }
}

void Keeper::on_children() {
    for (;;) {
        siginfo_t info{};
        if (::waitid(P_ALL, 0, &info, kLookOnly) != 0 || info.si_pid == 0) {
            return;
        }
        on_child_end(info);
    }
}

void Keeper::on_child_end(siginfo_t info) {
    const pid_t pid = info.si_pid;
    const auto leader = leaders_.find(pid);
    if (leader != leaders_.end()) {
        Run& run = *leader->second;
        leaders_.erase(leader);
        known_children_.erase(pid);
        run.leader_ended(wait_status_of(info), /*status_known=*/true);
        (void)::waitid(
            P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);  // it is there: WNOWAIT
        report_end(run, run.check_tree(known_children_, [this](Run& again) { check_tree(again); }));
        return;
    }
    (void)::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
    if (helpers_.ended(pid, wait_status_of(info)) ||
        upgrade_check_.ended(pid, wait_status_of(info))) {
        return;
    }
    if (agent_.ended(info)) {
        known_children_.erase(pid);
        on_agent_end(pid);
    }
}

void Keeper::on_agent_end(pid_t pid) {
    if (!next_program_.empty()) {
        return become_next();
    }
    if (intent_ == Intent::Run || intent_ == Intent::Terminate) {
        log::warning("the agent has ended, starting it again", {{"pid", std::to_string(pid)}});
        agent_.start_again(terminating());
    }
}

// Takes in a run; of two of one app the older, which has ended, is set aside.
Run& Keeper::place(std::unique_ptr<Run> run) {
    Run& placed = *run;
    auto& latest = runs_[run->name().id];
    if (latest && latest->name().generation > run->name().generation) {
        set_aside(std::move(run));
        return placed;
    }
    if (latest) {
        set_aside(std::move(latest));
    }
    latest = std::move(run);
    return placed;
}

void Keeper::set_aside(std::unique_ptr<Run> run) {
    auto& slot = replaced_[run->name().id];
    if (slot) {
        drop(std::move(slot));
    }
    slot = std::move(run);
}

// The record is free once nothing refers to it.
void Keeper::drop(std::unique_ptr<Run> run) {
    Record& record = run->record();
    run.reset();
    Records::release(record);
}

void Keeper::forget(const std::string& id) {
    const auto found = runs_.find(id);
    found->second->remove_group();
    drop(std::move(found->second));
    runs_.erase(found);
}

void Keeper::end_when_done() {
    if (intent_ != Intent::Leave) {
        return;
    }
    for (const auto& [id, run] : runs_) {
        if (!run->tree_gone()) {
            return;
        }
    }
    loop_.stop();
}

Run* Keeper::find(const RunName& name) {
    const auto found = runs_.find(name.id);
    return found != runs_.end() && found->second->name() == name ? found->second.get() : nullptr;
}

void Keeper::send(const Message& message) {
    if (link_) {
        link_->send(message);
    }
}

}  // namespace berth::keeper
