#include "agent/keeper/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/overloaded.h"
#include "shared/home/identity.h"
#include "shared/log/log.h"
#include "shared/os/cgroup_limits.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/find_process.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::keeper {

using keeperlink::Message;

namespace {

constexpr Duration kAgentPatience = std::chrono::seconds(10);
constexpr std::uint32_t kTriesToEnd = 2;
constexpr std::size_t kReadBuffer = 256U << 10U;

// Looked at first and reaped by pid after its end is recorded: a keeper that is killed in between
// has recorded it, or left it to be reaped by the next.
constexpr int kLookOnly = WEXITED | WNOHANG | WNOWAIT;

// What is known of runs that have ended when the keeper ends, for the next one.
std::string ends_file(const std::string& home) {
    return home + "/keeper.ends";
}

Result<os::UniqueFd> take_lock(const KeeperOptions& options, const home::Places& places) {
    const std::string path = places.lock("keeper");
    if (options.agent_fd >= 0) {
        // The old keeper is dead or dying. Whoever waits for its end in vain goes with the agent
        // that started it: each of its successors starts one too.
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        auto lock = os::lock_file(path);
        (void)::prctl(PR_SET_PDEATHSIG, 0);
        return lock;
    }
    // Without a lock file this home begins, or somebody removed it under a keeper that lives: a
    // second one would start all of its apps once more.
    const bool begins = !os::exists(path);
    if (const auto other =
            begins ? os::find_process("berth-keeper", "--home", options.home) : std::nullopt) {
        return fail(ErrorCode::AlreadyExists,
                    "a keeper runs for " + options.home + " already, pid " +
                        std::to_string(*other) + ", whose lock was removed");
    }
    BERTH_TRY(std::optional<os::UniqueFd> lock, os::try_lock_file(path));
    if (!lock) {
        const auto pid = os::read_file(places.pid_file("keeper"));
        return fail(
            ErrorCode::AlreadyExists,
            "a keeper runs for " + options.home + " already" + (pid ? ", pid " + *pid : ""));
    }
    return std::move(*lock);
}

// The records of this home: those of the keeper before, or what that one left when it ended.
Result<Records> open_records(const home::Places& places, const std::string& mark) {
    const std::string path = places.at("keeper.records");
    const std::string ends = ends_file(places.home);
    if (!os::exists(path) && os::exists(ends)) {
        BERTH_TRY(const std::string bytes, os::read_file(ends));
        BERTH_CHECK(os::replace_file(path, bytes));
    }
    BERTH_TRY(Records records, Records::open(path, mark));
    (void)os::remove_tree(ends);  // known twice until it can be removed: told twice, stored once
    return records;
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

}  // namespace

Keeper::Keeper(loop::EventLoop& loop,
               const KeeperOptions& options,
               os::UniqueFd lock,
               home::Places places,
               home::RuntimeFolder folder,
               Records records)
    : loop_(loop),
      options_(options),
      lock_(std::move(lock)),
      places_(std::move(places)),
      folder_(std::move(folder)),
      context_{.loop = loop,
               .io_folder = places_.at("io"),
               .logs_folder = options.home + "/logs",
               .home_id = records.home_id(),
               .tell = [this](const Message& message) { send(message); }},
      runs_(context_, std::move(records), [this] { end_when_done(); }),
      helpers_(context_, [this](const keeperlink::ExecDone& done) { send(done); }),
      agent_(
          loop, options.agent_command, [this](os::UniqueFd socket) { link_up(std::move(socket)); }),
      upgrade_(loop, options.home, places_) {}

Result<std::unique_ptr<Keeper>> Keeper::create(loop::EventLoop& loop,
                                               const KeeperOptions& options) {
    if (options.handover_fd < 0) {
        BERTH_CHECK(os::make_folders(options.home));  // else it was there, and is not made anew
    }
    home::Places places = home::places_of(options.home);
    std::optional<Handover> handover;
    if (options.handover_fd >= 0) {
        BERTH_TRY(handover, take_over(options.handover_fd));
    }
    BERTH_TRY(
        os::UniqueFd lock,
        handover ? Result<os::UniqueFd>(os::UniqueFd(handover->lock)) : take_lock(options, places));
    BERTH_TRY(const home::Being being, home::being_of(places));
    BERTH_CHECK(home::settle(places, being));
    const std::string& mark = being.identity.mark;
    BERTH_TRY(home::RuntimeFolder folder, home::RuntimeFolder::open(places, mark));
    BERTH_CHECK(os::make_folders(places.at("io")));
    BERTH_TRY(Records records, open_records(places, mark));
    std::unique_ptr<Keeper> keeper(
        new Keeper(loop, options, std::move(lock), places, std::move(folder), std::move(records)));
    BERTH_CHECK(keeper->prepare(handover));
    return keeper;
}

Result<void> Keeper::prepare(const std::optional<Handover>& handover) {
    BERTH_CHECK(os::replace_file(places_.pid_file("keeper"), std::to_string(::getpid())));
    BERTH_TRY(home_, os::open_file(options_.home, O_PATH | O_DIRECTORY));
    home_watch_ = std::make_unique<home::HomeWatch>(
        loop_,
        places_,
        home::HomeWatch::Events{[this] { look_after_runtime(); },
                                [this] { look_where_home_is(); }});
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
    BERTH_TRY(signals_, os::make_signalfd({SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR2}));
    signals_watch_ =
        loop_.watch(signals_.get(), loop::Interest::Read, [this](bool, bool) { on_signals(); });
    auto cgroup = options_.use_cgroup
                      ? os::Cgroup::create("berth-" + context_.home_id.substr(0, 12))
                      : Result<os::Cgroup>(fail(ErrorCode::Unavailable, "--no-cgroup was given"));
    if (cgroup) {
        context_.cgroup = std::move(*cgroup);
        context_.controllers = os::enable_controllers(context_.cgroup->path());
    } else {
        log::info("no cgroup, trees of processes are found by walking",
                  {{"why", cgroup.error().message}});
    }
    if (handover) {
        runs_.resume(*handover);
        on_children();  // those that have ended meanwhile: their signal came before the exec
        runs_.look_again();
    } else {
        runs_.adopt();
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
    home_watch_.reset();
    save_what_is_not_told();
}

// No app lives. What the agent could not store goes with the home, and the folder goes.
void Keeper::save_what_is_not_told() {
    if (auto saved = runs_.save_ends(ends_file(options_.home)); !saved) {
        log::error("how apps have ended cannot be written down",
                   {{"error", saved.error().message}});
        return;  // the records stay where they are
    }
    (void)os::remove_tree(places_.at("keeper.records"));
    folder_.leave(places_);
}

// Somebody removed what is in it, or all of it. The apps' FIFOs are open and need no name.
void Keeper::look_after_runtime() {
    const auto made = folder_.look_after(places_, context_.home_id);
    auto written = made ? os::make_folders(context_.io_folder) : Result<void>(fail(made.error()));
    const auto again = written ? runs_.put_back_records() : Result<bool>(fail(written.error()));
    if (again && !os::exists(places_.pid_file("keeper"))) {
        written = os::replace_file(places_.pid_file("keeper"), std::to_string(::getpid()));
    }
    if (!again || !written) {
        log::error(
            "the runtime folder was removed and cannot be made again",
            {{"error", (again ? written : Result<void>(fail(again.error()))).error().message}});
    } else if (*made || *again) {
        log::warning("the runtime folder was removed, it is made again",
                     {{"folder", places_.runtime}});
    }
}

// When it was moved, this process becomes the keeper of where it is now, as at an upgrade: paths of
// it are everywhere.
void Keeper::look_where_home_is() {
    const auto there = home::key_of(options_.home);  // through links, as somebody may have named it
    const auto now = os::path_of(home_.get());
    if ((there && *there == places_.key) || !now || moved_ || upgrade_.agreed()) {
        return;
    }
    log::warning("the home was moved, going on there", {{"home", *now}});
    moved_ = true;
    options_.home = *now;
    upgrade_.move_to(options_.program, *now);
    become_next();
    moved_ = false;
}

void Keeper::link_up(os::UniqueFd socket) {
    if (agent_.pid() != 0) {
        runs_.know_child(agent_.pid());
    }
    ++links_;
    link_ = std::make_unique<keeperlink::Link>(
        loop_,
        std::move(socket),
        [this](const Message& message) { on_message(message); },
        [this](const Error& why) { link_down(why); });
    send(keeperlink::Hello{keeperlink::kProtocolVersion, ::getpid()});
    runs_.tell_all();
}

// The agent has died, or is of no use any more: then it must not live on beside the next one.
void Keeper::link_down(const Error& why) {
    link_.reset();
    if (upgrade_.agreed()) {
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
            case SIGUSR2:
                on_given_up();
                break;
            default:
                on_terminate();
        }
    }
}

void Keeper::on_terminate() {
    const bool told = agent_.signal(SIGTERM);
    if (grace_.active() || (told && intent_ == Intent::Leave)) {
        return;  // it is about to end, as are we
    }
    intent_ = Intent::Terminate;
    if (!told) {
        agent_.start(/*shutdown=*/true);
    }
}

// Who has started this keeper does not wait for its agent any more. Apps are not left alone.
void Keeper::on_given_up() {
    if (runs_.all_gone()) {
        intent_ = Intent::Leave;
        agent_.give_up();
        agent_.kill();
        end_when_done();
    }
}

// It is to end with its apps, and the agent that should see to it cannot begin.
void Keeper::end_without_agent() {
    constexpr Duration kGrace = std::chrono::seconds(10);
    log::error("the agent cannot begin; the apps are ended without it");
    intent_ = Intent::Leave;
    agent_.give_up();
    runs_.end_all(SIGTERM);
    grace_ = loop_.after(kGrace, [this] { runs_.end_all(SIGKILL); });
    end_when_done();
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
    if (runs_.child_ended(info)) {
        return;
    }
    (void)::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
    if (helpers_.ended(pid, wait_status_of(info)) || upgrade_.ended(pid, wait_status_of(info))) {
        return;
    }
    if (agent_.ended(info)) {
        runs_.forget_child(pid);
        on_agent_end(pid);
    }
}

void Keeper::on_agent_end(pid_t pid) {
    if (upgrade_.agreed()) {
        return become_next();
    }
    if (intent_ == Intent::Run || intent_ == Intent::Terminate) {
        log::warning("the agent has ended, starting it again", {{"pid", std::to_string(pid)}});
        agent_.start_again(terminating());
        if (terminating() && agent_.quick_failures() >= kTriesToEnd) {
            end_without_agent();
        }
    }
}

void Keeper::on_message(const Message& message) {
    std::visit(Overloaded{
                   [this](const keeperlink::Hello& hello) { agent_.greeted(hello.pid); },
                   [this](const keeperlink::Start& start) { runs_.start(start); },
                   [this](const keeperlink::Signal& signal) { runs_.signal(signal); },
                   [this](const keeperlink::Input& input) { runs_.input(input); },
                   [this](const keeperlink::Resize& resize) { runs_.resize(resize); },
                   [this](const keeperlink::Forget& forget) { runs_.forget(forget); },
                   [this](const keeperlink::Leave& leave) { on_leave(leave); },
                   [this](const keeperlink::Exec& exec) {
                       helpers_.start(exec, runs_.find(exec.start.run));
                   },
                   [this](const keeperlink::Upgrade& upgrade) { try_upgrade(upgrade.folder); },
                   [this](const keeperlink::Ping& ping) { on_ping(ping); },
                   [](const keeperlink::SaidByKeeper auto&) {},  // our own words
               },
               message);
}

// Some of what had happened when it was said is still to be read: a whole turn of the loop first.
void Keeper::on_ping(const keeperlink::Ping& ping) {
    loop_.post([this, token = ping.token, link = links_] {
        loop_.post([this, token, link] {
            if (link == links_) {
                send(keeperlink::Pong{token});
            }
        });
    });
}

void Keeper::on_leave(const keeperlink::Leave& leave) {
    if (leave.end) {
        intent_ = Intent::Leave;
    } else if (!terminating()) {  // else SIGTERM came meanwhile: the next agent sees to it
        intent_ = Intent::Agentless;
    }
    end_when_done();
}

void Keeper::end_when_done() {
    if (intent_ == Intent::Leave && runs_.all_gone()) {
        loop_.stop();
    }
}

void Keeper::try_upgrade(const std::string& folder) {
    const std::string program = folder.empty() ? options_.program : folder + "/berth-keeper";
    upgrade_.begin(program, [this](const std::string& refusal) {
        send(keeperlink::UpgradeAnswer{refusal});
        if (refusal.empty()) {
            // The agent ends now. One that does not is ended by us: it would not notice otherwise.
            upgrade_timer_ = loop_.after(link_ ? kAgentPatience : Duration::zero(), [this] {
                agent_.kill();
                become_next();
            });
        }
    });
}

void Keeper::become_next() {
    upgrade_timer_.reset();
    if (agent_.pid() != 0) {
        agent_.kill();  // the next keeper does not know it
    }
    link_.reset();
    Handover handover;
    handover.lock = lock_.get();
    handover.nofile = context_.original_nofile;
    handover.terminating = terminating();
    handover.version_tried = version_tried_;
    runs_.hand_over(handover);
    std::vector<std::string> arguments;
    if (!options_.name.empty()) {
        arguments.insert(arguments.end(), {"--name", options_.name});
    }
    if (!options_.use_cgroup) {
        arguments.emplace_back("--no-cgroup");
    }
    upgrade_.become(handover, arguments);
    if (agent_.pid() == 0) {  // all is as before, but for the agent
        agent_.start(terminating());
    }
}

void Keeper::send(const Message& message) {
    if (link_) {
        link_->send(message);
    }
}

}  // namespace berth::keeper
