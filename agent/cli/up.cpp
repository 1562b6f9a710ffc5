#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "agent/cli/commands.h"
#include "agent/cli/instance.h"
#include "agent/cli/repair.h"
#include "shared/base/text.h"
#include "shared/home/home_watch.h"
#include "shared/home/places.h"
#include "shared/home/runtime_folder.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/time/backoff.h"

namespace berth::cli {

namespace {

constexpr Duration kReadyWait = std::chrono::seconds(20);
constexpr Duration kEndWait = std::chrono::seconds(10);
constexpr Duration kDownWait = std::chrono::minutes(5);

std::string read_line(const std::string& path) {
    const auto text = os::read_file(path);
    return text ? std::string(trim(*text)) : std::string();
}

std::string address_file(const std::string& home) {
    return home::places_of(home + "/controller").at("address");
}

void print_address(const std::string& home) {
    const std::string address = read_line(address_file(home));
    const home::Places places = home::places_of(home + "/controller");
    const std::string url = read_line(places.at("url"));
    print("panel: " + (address.empty() ? "not running" : url.empty() ? address : url) + "\n");
    if (!address.empty() && !url.empty()) {
        print("its proxy asks: " + address + "\n");
    }
    if (const std::string sum = read_line(places.at("fingerprint")); !sum.empty()) {
        print("its certificate (SHA-256): " + sum + "\n");
    }
    const std::string setup = read_line(places.at("setup-link"));
    if (!setup.empty()) {
        print("first, make an admin: " + setup + "\n");
    }
    if (const std::string notice = standby_notice(home); !notice.empty()) {
        print_error(notice);
    }
    (void)std::fflush(stdout);
}

// The options of `up` that are the controller's.
std::vector<std::string> controller_options(const Session& session) {
    std::vector<std::string> words;
    for (const char* option : {"--url", "--trusted-proxy"}) {
        for (const std::string& value : session.arguments.line.all(option)) {
            words.insert(words.end(), {option, value});
        }
    }
    if (session.arguments.has("--tls")) {
        words.emplace_back("--tls");
    }
    return words;
}

// What `berth up` keeps going: a controller and the default agent. Its keeper and agent restart
// each other; only when both are gone does this start them again.
class Up {
public:
    Up(Session& session, std::string log_file)
        : session_(session), loop_(*session.loop), log_file_(std::move(log_file)) {}

    Result<void> begin() {
        const std::string& home = session_.home;
        BERTH_CHECK(os::make_folders(home + "/controller"));
        BERTH_TRY(std::optional<os::UniqueFd> lock, os::try_lock_file(up_service(home).lock));
        if (!lock) {
            return fail(ErrorCode::AlreadyExists, "berth is up already for " + home);
        }
        lock_ = std::move(*lock);
        BERTH_CHECK(os::replace_file(up_service(home).pid_file, std::to_string(::getpid())));
        (void)::signal(SIGPIPE, SIG_IGN);  // cannot fail for a valid signal
        BERTH_TRY(signals_, os::make_signalfd({SIGINT, SIGTERM, SIGUSR1, SIGCHLD}));
        signals_watch_ =
            loop_.watch(signals_.get(), loop::Interest::Read, [this](bool, bool) { on_signals(); });
        BERTH_TRY(home_, os::open_file(home, O_PATH | O_DIRECTORY));
        BERTH_TRY(key_, home::key_of(home));
        watch_home();
        return start_controller();
    }

    // Until the panel answers and the agent is there; in this order, so that a panel that cannot be
    // served leaves nothing behind. Error: what did not come up.
    Result<void> wait_until_ready() {
        const MonoTime give_up = MonoClock::now() + kReadyWait;
        while (!report_ && controller_ != 0 && !stopping_ && MonoClock::now() < give_up) {
            (void)loop_.turn(give_up - MonoClock::now());
        }
        if (!report_ ? controller_ != 0 : !report_->started) {
            const std::string why = report_ ? report_->why : "";
            return fail(ErrorCode::Unavailable,
                        why.empty() ? "the controller did not come up" + hint()
                                    : "the controller cannot begin: " + why + repair_hint(why));
        }
        const auto hello = session_.bring_up("default", log_file_);
        if (!hello) {
            return fail(hello.error());
        }
        watch_agent();
        return {};
    }

    // After that has failed: what this has begun is ended. An agent that has apps lives on.
    void take_back() {
        stopping_ = true;
        retry_.reset();
        if (controller_ != 0) {
            (void)os::send_signal_to(controller_, SIGTERM);
        }
        const MonoTime give_up = MonoClock::now() + kEndWait;
        while (controller_ != 0 && MonoClock::now() < give_up) {
            (void)loop_.turn(give_up - MonoClock::now());
        }
    }

    // Until a signal ends it.
    void run() {
        while (!done_ && loop_.turn(std::chrono::hours(1))) {
        }
    }

    void stop(bool keep_apps) {
        if (std::exchange(stopping_, true)) {
            return;
        }
        retry_.reset();
        const std::string agent_home = session_.agent_home("default");
        for (const Service& service : {agent_service(agent_home),
                                       keeper_service(agent_home),
                                       controller_service(session_.home)}) {
            let_go_on(service);
        }
        // An agent that cannot be asked, mostly one that cannot begin, ends nothing: its keeper
        // does.
        const auto failed = [agent_home, keep_apps](const Result<wire::Value>& answer) {
            const auto keeper = running_pid(keeper_service(agent_home));
            if (!answer && !keep_apps && keeper) {
                log::warning("the agent cannot end the apps, its keeper does",
                             {{"why", answer.error().message}});
                (void)os::send_signal_to(*keeper, SIGTERM);
            }
        };
        if (!keep_apps) {
            (void)ensure_agent(agent_home, "default", log_file_);  // it may have left its apps
        }
        const auto client = session_.client("default");
        if (client) {
            (*client)->send("shutdown", wire::Value::Map{{"keep_apps", keep_apps}}, failed);
        } else {
            failed(fail(client.error()));
        }
        keep_apps_ = keep_apps;
        if (keep_apps) {
            agent_retry_.reset();  // the keeper stays: its end is not to be waited for
        }
        check_done();
    }

private:
    [[nodiscard]] std::string hint() const { return log_file_.empty() ? "" : "; see " + log_file_; }

    // Moved, it is gone on with where it is now: the agent does so by itself, the controller is
    // started again.
    void watch_home() {
        home_watch_ = std::make_unique<home::HomeWatch>(
            loop_,
            home::places_of(session_.home + "/controller"),
            home::HomeWatch::Events{[] {}, [this] { look_where_home_is(); }});
    }

    void look_where_home_is() {
        const auto there = home::key_of(session_.home);  // through links, as somebody has named it
        const auto now = os::path_of(home_.get());
        if (!now || (there && *there == key_)) {
            return;
        }
        log::warning("the home was moved, going on there", {{"home", *now}});
        session_.home = *now;
        log_file_ = log_file_.empty() ? log_file_ : *now + "/up.log";
        moved_ = loop_.after(Duration::zero(), [this] {  // the watch that tells it goes
            watch_home();
            if (controller_ != 0) {
                (void)os::send_signal_to(controller_, SIGTERM);
            }
        });
    }

    Result<void> start_controller() {
        os::HelperSpec spec;
        BERTH_TRY(const std::string program, os::sibling_executable("berth-controller"));
        spec.argv = {program, "--home", session_.home, "--quiet"};
        // The next one finds in controller.toml which port it was.
        if (session_.arguments.has("--listen") && !std::exchange(told_where_, true)) {
            spec.argv.insert(spec.argv.end(), {"--listen", session_.arguments.get("--listen")});
        }
        if (session_.arguments.has("--allow-remote")) {
            spec.argv.emplace_back("--allow-remote");
        }
        for (std::string& word : controller_options(session_)) {
            spec.argv.push_back(std::move(word));
        }
        spec.new_session = true;
        spec.output = log_file_;
        if (!running_pid(controller_service(session_.home))) {
            (void)os::remove_tree(address_file(session_.home));  // of an earlier life
            BERTH_TRY(auto starting, os::start_reporting(std::move(spec)));
            controller_ = starting.pid;
            report_fd_ = std::move(starting.report);
            report_.reset();
            report_watch_ = loop_.watch(report_fd_.get(), loop::Interest::Read, [this](bool, bool) {
                if (auto said = os::read_report(report_fd_)) {
                    report_ = std::move(said);
                    report_watch_.reset();
                }
            });
            controller_started_ = loop_.now().mono;
        }
        return {};
    }

    void on_signals() {
        while (const auto signal = os::next_signal(signals_.get())) {
            if (signal->number == SIGCHLD) {
                reap_children();
            } else {
                stop(signal->number == SIGUSR1);
            }
        }
    }

    void reap_children() {
        int status = 0;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (pid != controller_) {
                continue;  // a keeper of ours; watch_agent() has seen it
            }
            controller_ = 0;
            if (!stopping_) {
                controller_ended();
            }
        }
        check_done();
    }

    // Somebody has removed the home: nothing is to be made in its place.
    [[nodiscard]] bool home_is_gone() const { return !os::path_of(home_.get()); }

    void controller_ended() {
        if (home_is_gone()) {
            return stop(/*keep_apps=*/true);
        }
        const bool quick = loop_.now().mono - controller_started_ < std::chrono::seconds(2);
        controller_failures_ = quick ? controller_failures_ + 1 : 0;
        const Duration delay =
            quick ? backoff_delay({}, controller_failures_ - 1, 0.5) : Duration::zero();
        log::warning("the controller has ended, starting it again",
                     {{"in", short_duration(delay)}});
        retry_ = loop_.after(delay, [this] {
            if (auto started = start_controller(); !started) {
                log::error("cannot start the controller", {{"error", started.error().message}});
            }
        });
    }

    // Always waits for the end of one of the two that lives, and then looks again.
    void watch_agent() {
        agent_watch_.reset();
        const std::string agent_home = session_.agent_home("default");
        auto living = watch_end(keeper_service(agent_home));
        if (!living) {
            living = watch_end(agent_service(agent_home));
        }
        if (!living) {
            if (stopping_) {
                return check_done();
            }
            if (home_is_gone()) {
                return stop(/*keep_apps=*/true);
            }
            if (auto started = ensure_agent(agent_home, "default", log_file_); !started) {
                log::error("cannot start the agent", {{"error", started.error().message}});
            }
            agent_retry_ = loop_.after(std::chrono::milliseconds(200), [this] { watch_agent(); });
            return;
        }
        agent_fd_ = std::move(*living);
        agent_watch_ = loop_.watch(
            agent_fd_.get(), loop::Interest::Read, [this](bool, bool) { watch_agent(); });
    }

    // The agent goes first: the panel shows how its apps end.
    void check_done() {
        if (!stopping_) {
            return;
        }
        const std::string agent_home = session_.agent_home("default");
        const bool keeper_gone = keep_apps_ || !running_pid(keeper_service(agent_home));
        if (!keeper_gone || running_pid(agent_service(agent_home))) {
            if (keep_apps_) {
                // The keeper stays; wait for the agent instead.
                auto agent = watch_end(agent_service(agent_home));
                if (agent) {
                    agent_watch_.reset();
                    agent_fd_ = std::move(*agent);
                    agent_watch_ =
                        loop_.watch(agent_fd_.get(), loop::Interest::Read, [this](bool, bool) {
                            agent_watch_.reset();
                            check_done();
                        });
                    return;
                }
            } else {
                return;
            }
        }
        if (controller_ != 0) {
            // Our child is known by its pid: one that has just begun has not written it down yet.
            (void)os::send_signal_to(controller_, SIGTERM);
            return;  // its SIGCHLD leads back here
        }
        if (const auto controller = running_pid(controller_service(session_.home))) {
            (void)os::send_signal_to(*controller, SIGTERM);
            (void)wait_for_end(loop_, controller_service(session_.home), std::chrono::seconds(10));
        }
        done_ = true;
        loop_.stop();
    }

    Session& session_;
    loop::EventLoop& loop_;
    std::string log_file_;
    os::UniqueFd lock_;
    pid_t controller_ = 0;  // 0: none of ours
    os::UniqueFd report_fd_;
    std::optional<os::StartReport> report_;  // how its start went; unset: it has not said
    loop::Registration report_watch_;
    bool told_where_ = false;  // a controller of this run where to listen
    MonoTime controller_started_;
    std::uint32_t controller_failures_ = 0;
    bool stopping_ = false;
    bool keep_apps_ = false;
    bool done_ = false;
    os::UniqueFd signals_;
    os::UniqueFd agent_fd_;
    os::UniqueFd home_;  // the folder, wherever it is moved to
    std::string key_;    // of it
    std::unique_ptr<home::HomeWatch> home_watch_;
    loop::Registration moved_;
    loop::Registration signals_watch_;
    loop::Registration agent_watch_;
    loop::Registration agent_retry_;
    loop::Registration retry_;
};

// What goes on in the background has nothing of the shell that it was started from but its
// environment, its root and its hard limits.
void leave_shell() {
    (void)::umask(022);
    (void)::setpriority(PRIO_PROCESS, 0, 0);  // only root may become less nice
    for (const auto resource : {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_AS, RLIMIT_RSS}) {
        struct rlimit limit {};

        if (::getrlimit(resource, &limit) == 0) {
            limit.rlim_cur = limit.rlim_max;
            (void)::setrlimit(resource, &limit);  // up to the hard one cannot fail
        }
    }
}

// Runs `berth ARGUMENTS` in the background and waits until it says how its start went.
int detach(Session& session, std::vector<std::string> arguments, const std::string& log_file) {
    os::HelperSpec spec;
    const auto self = os::sibling_executable("berth");
    if (!self) {
        return report(self.error());
    }
    spec.argv = {*self};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.new_session = true;
    spec.output = log_file;
    leave_shell();
    const auto starting = os::start_reporting(std::move(spec), os::Told::ByEnvironment);
    if (!starting) {
        return report(starting.error());
    }
    const auto said = wait_for_report(*session.loop, *starting, kReadyWait * 2);
    if (!said || !said->started) {
        if (const auto pidfd = os::open_pidfd(starting->pid)) {
            // It holds a lock that the next one wants.
            (void)wait_readable(*session.loop, *pidfd, kEndWait);
        }
        print_error(said && !said->why.empty() ? said->why : "it did not come up; see " + log_file);
        return kFailed;
    }
    return kDone;
}

}  // namespace

// Its answer may be lost as it goes, so its end counts, not its word.
Result<void> end_agent(Session& session, const std::string& name, bool keep_apps) {
    const std::string agent_home = session.agent_home(name);
    std::array<std::optional<os::UniqueFd>, 2> living = {watch_end(agent_service(agent_home))};
    if (!keep_apps) {
        living[1] = watch_end(keeper_service(agent_home));
    }
    let_go_on(agent_service(agent_home));
    let_go_on(keeper_service(agent_home));
    BERTH_TRY(Client * client, session.client(name));
    std::optional<Error> refused;
    client->send("shutdown",
                 wire::Value::Map{{"keep_apps", keep_apps}},
                 [&refused](Result<wire::Value> answer) {
                     if (!answer) {
                         refused = answer.error();
                     }
                 });
    std::array<loop::Registration, 2> watches;
    std::size_t left = 0;
    for (std::size_t i = 0; i < living.size(); ++i) {
        if (living[i]) {
            ++left;
            watches[i] = session.loop->watch(
                living[i]->get(), loop::Interest::Read, [&left, &watch = watches[i]](bool, bool) {
                    --left;
                    watch.reset();
                });
        }
    }
    const MonoTime give_up = MonoClock::now() + kDownWait;
    while (left > 0 && !refused && MonoClock::now() < give_up) {
        (void)session.loop->turn(std::chrono::seconds(1));
    }
    if (refused) {
        return fail(*refused);
    }
    if (left > 0) {
        return fail(ErrorCode::WrongState, "the agent is still stopping; see berth list");
    }
    return {};
}

namespace {

// An agent that does not answer, mostly one that cannot begin, ends nothing: its keeper does.
Result<void> end_without_agent(Session& session, const std::string& folder, const Error& why) {
    const auto keeper = running_pid(keeper_service(folder));
    if (!keeper) {
        return {};  // it went on its way
    }
    print_error(why.message + "; its keeper ends the apps");
    (void)os::send_signal_to(*keeper, SIGTERM);
    let_go_on(keeper_service(folder));
    if (!wait_for_end(*session.loop, keeper_service(folder), kDownWait)) {
        return fail(ErrorCode::WrongState, "the keeper is still stopping the apps");
    }
    return {};
}

// What ran in a home that somebody has removed. True: there was some.
bool end_what_lost_its_home(Session& session) {
    bool any = false;
    for (const auto& [folder, who] : {std::pair{session.agent_home("default"), "keeper"},
                                      std::pair{session.home + "/controller", "controller"}}) {
        const std::string held = home::held_folder_of(home::places_of(folder).runtime_base, folder);
        const auto text = os::read_file(held + "/" + who + ".pid");
        const auto pid = text && !held.empty() ? parse_integer<pid_t>(trim(*text)) : std::nullopt;
        auto pidfd = pid ? os::open_pidfd(*pid) : Result<os::UniqueFd>(fail(Error()));
        if (!pidfd || !os::send_signal(*pidfd, SIGTERM)) {
            continue;
        }
        any = true;
        (void)wait_readable(*session.loop, *pidfd, kDownWait);
    }
    return any;
}

// --runtime-dir, or what was said for the home as a whole, for one of the homes below it.
Result<void> choose_runtime(const Session& session, const std::string& folder) {
    BERTH_CHECK(os::make_folders(folder));
    const std::string all = session.home + "/controller";
    if (session.arguments.has("--runtime-dir")) {
        return home::choose_runtime_base(folder, session.arguments.get("--runtime-dir"));
    }
    if (folder != all && os::exists(all) && !os::exists(folder + "/home.id")) {
        return home::choose_runtime_base(folder, home::places_of(all).runtime_base);
    }
    return {};
}

}  // namespace

int run_up(Session& session) {
    const std::string& home = session.home;
    if (auto made = os::make_folders(home); !made) {
        return report(made.error());
    }
    if (running_pid(up_service(home))) {
        print("berth is up already for " + home + "\n");
        if (!controller_options(session).empty()) {
            return report(
                {ErrorCode::AlreadyExists,
                 "--url, --trusted-proxy and --tls are read at the start: berth down first",
                 0});
        }
        print_address(home);
        return kDone;
    }
    for (const std::string& folder : {home + "/controller", session.agent_home("default")}) {
        if (auto chosen = choose_runtime(session, folder); !chosen) {
            return report(chosen.error());
        }
    }
    if (session.arguments.has("--detach")) {
        std::vector<std::string> words = {"up", "--home", home};
        if (session.arguments.has("--listen")) {
            words.insert(words.end(), {"--listen", session.arguments.get("--listen")});
        }
        if (session.arguments.has("--allow-remote")) {
            words.emplace_back("--allow-remote");
        }
        for (std::string& word : controller_options(session)) {
            words.push_back(std::move(word));
        }
        const int code = detach(session, words, home + "/up.log");
        if (code == kDone) {
            print_address(home);
        }
        return code;
    }
    const int report_fd = os::take_report_fd();
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    Up up(session, terminal ? "" : home + "/up.log");
    auto begun = up.begin();
    if (begun) {
        begun = up.wait_until_ready();
    }
    if (!begun) {
        up.take_back();
        os::report_failed(report_fd, begun.error().message);
        return report(begun.error());
    }
    print_address(home);
    os::report_started(report_fd);
    up.run();
    return kDone;
}

int run_down(Session& session) {
    const bool keep = session.arguments.has("--keep-apps");
    const auto up = running_pid(up_service(session.home));
    const std::string agent_home = session.agent_home("default");
    if (up) {
        (void)os::send_signal_to(*up, keep ? SIGUSR1 : SIGTERM);
        let_go_on(up_service(session.home));
        if (!wait_for_end(*session.loop, up_service(session.home), kDownWait)) {
            print_error("it is still stopping; see berth list");
            return kFailed;
        }
    }
    // Whatever of it runs without `up`: that was killed.
    bool any = up.has_value();
    if (running_pid(agent_service(agent_home)) ||
        (!keep && running_pid(keeper_service(agent_home)))) {
        any = true;
        (void)ensure_agent(agent_home, "default", "/dev/null");
        auto left = end_agent(session, "default", keep);
        if (!left && !keep) {
            left = end_without_agent(session, agent_home, left.error());
        }
        if (!left) {
            return report(left.error());
        }
    }
    if (!os::is_folder(session.home)) {
        any = end_what_lost_its_home(session) || any;
    }
    if (const auto controller = running_pid(controller_service(session.home))) {
        any = true;
        (void)os::send_signal_to(*controller, SIGTERM);
        let_go_on(controller_service(session.home));
        (void)wait_for_end(
            *session.loop, controller_service(session.home), std::chrono::seconds(10));
    }
    print(any ? (keep ? "down; the apps go on\n" : "down\n")
              : "nothing was up for " + session.home + "\n");
    return kDone;
}

int run_agent_run(Session& session) {
    const std::string name = session.arguments.get("--name", session.agent);
    if (!is_valid_id(name)) {
        return report({ErrorCode::InvalidArgument,
                       "\"" + name + "\" cannot name an agent: " + std::string(kIdRule),
                       0});
    }
    if (session.is_remote(name)) {
        return report({ErrorCode::AlreadyExists,
                       "the controller of this home calls an agent of another machine \"" + name +
                           "\"; give this one another name",
                       0});
    }
    const std::string agent_home = session.agent_home(name);
    if (auto chosen = choose_runtime(session, agent_home); !chosen) {
        return report(chosen.error());
    }
    if (session.arguments.has("--detach")) {
        leave_shell();
        const auto hello = session.bring_up(name, agent_home + "/agent.log");
        if (!hello) {
            return report(hello.error());
        }
        print("agent " + name + " runs, pid " + std::to_string((*hello)["agent"]["pid"].as_int()) +
              "\n");
        return kDone;
    }
    const auto keeper = os::sibling_executable("berth-keeper");
    if (!keeper) {
        return report(keeper.error());
    }
    (void)::execl(keeper->c_str(),
                  "berth-keeper",
                  "--home",
                  agent_home.c_str(),
                  "--name",
                  name.c_str(),
                  nullptr);
    print_error("cannot run " + *keeper);
    return kFailed;
}

int run_agent_stop(Session& session) {
    if (session.is_remote(session.agent)) {
        return report({ErrorCode::WrongState,
                       "agent " + session.agent +
                           " is on another machine; it is ended there: berth agent stop",
                       0});
    }
    const bool keep = session.arguments.has("--keep-apps");
    if (auto left = end_agent(session, session.agent, keep); !left) {
        return report(left.error());
    }
    print("agent " + session.agent + " has ended" + (keep ? "; its apps go on\n" : "\n"));
    return kDone;
}

}  // namespace berth::cli
