#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "agent/cli/commands.h"
#include "agent/cli/instance.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/time/backoff.h"

namespace berth::cli {

namespace {

constexpr Duration kReadyWait = std::chrono::seconds(20);
constexpr Duration kDownWait = std::chrono::minutes(5);
constexpr const char* kDefaultListen = "127.0.0.1:6880";

std::string read_line(const std::string& path) {
    const auto text = os::read_file(path);
    return text ? std::string(trim(*text)) : std::string();
}

std::string address_file(const std::string& home) {
    return home + "/controller/run/address";
}

void print_address(const std::string& home) {
    const std::string address = read_line(address_file(home));
    const std::string url = read_line(home + "/controller/run/url");
    print("panel: " + (address.empty() ? "not running" : url.empty() ? address : url) + "\n");
    if (!address.empty() && !url.empty()) {
        print("its proxy asks: " + address + "\n");
    }
    const std::string setup = read_line(home + "/controller/run/setup-link");
    if (!setup.empty()) {
        print("first, make an admin: " + setup + "\n");
    }
    (void)std::fflush(stdout);
}

// The options of `up` that are the controller's.
std::vector<std::string> controller_options(const Session& session) {
    std::vector<std::string> words;
    for (const char* option : {"--url", "--trusted-proxy"}) {
        if (session.arguments.has(option)) {
            words.insert(words.end(), {option, session.arguments.get(option)});
        }
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
        BERTH_CHECK(os::make_folders(home + "/controller/run"));
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
        watch_agent();
        return start_controller();
    }

    // Until the panel answers and the agent is there. Error: what did not come up.
    Result<void> wait_until_ready() {
        const auto gone = [this] {
            return stopping_ || (controller_ == 0 && controller_failures_ > 0);
        };
        if (!wait_for_file(loop_, address_file(session_.home), kReadyWait, gone)) {
            return fail(ErrorCode::Unavailable, "the controller did not come up" + hint());
        }
        const auto hello = session_.bring_up("default", log_file_);
        return hello ? Result<void>() : fail(hello.error());
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
        const auto client = session_.client("default");
        if (client) {
            (*client)->send("shutdown", wire::Value::Map{{"keep_apps", keep_apps}}, [](auto&&) {});
        }
        keep_apps_ = keep_apps;
        if (keep_apps) {
            agent_retry_.reset();  // the keeper stays: its end is not to be waited for
        }
        check_done();
    }

private:
    [[nodiscard]] std::string hint() const { return log_file_.empty() ? "" : "; see " + log_file_; }

    Result<void> start_controller() {
        os::HelperSpec spec;
        BERTH_TRY(const std::string program, os::sibling_executable("berth-controller"));
        const std::string listen = session_.arguments.get("--listen", kDefaultListen);
        spec.argv = {program, "--home", session_.home, "--listen", listen, "--quiet"};
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
            BERTH_TRY(controller_, os::start_helper(spec));
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

    void controller_ended() {
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
    pid_t controller_ = 0;
    MonoTime controller_started_;
    std::uint32_t controller_failures_ = 0;
    bool stopping_ = false;
    bool keep_apps_ = false;
    bool done_ = false;
    os::UniqueFd signals_;
    os::UniqueFd agent_fd_;
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

// Runs `berth ARGUMENTS` in the background and waits until `ready` exists.
int detach(Session& session,
           std::vector<std::string> arguments,
           const std::string& log_file,
           const std::string& ready) {
    os::HelperSpec spec;
    const auto self = os::sibling_executable("berth");
    if (!self) {
        return report(self.error());
    }
    spec.argv = {*self};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.new_session = true;
    spec.output = log_file;
    (void)os::remove_tree(ready);
    leave_shell();
    const auto pid = os::start_helper(spec);
    if (!pid) {
        return report(pid.error());
    }
    auto pidfd = os::open_pidfd(*pid);
    bool ended = false;
    const auto watch =
        pidfd ? session.loop->watch(
                    pidfd->get(), loop::Interest::Read, [&ended](bool, bool) { ended = true; })
              : loop::Registration();
    if (!wait_for_file(*session.loop, ready, kReadyWait * 2, [&ended] { return ended; })) {
        print_error("it did not come up; see " + log_file);
        return kFailed;
    }
    return kDone;
}

// Asks the agent to leave and waits until `until` has ended. Its answer may be lost as it goes, so
// its end counts, not its word.
Result<void> leave(Session& session, const std::string& name, bool keep_apps) {
    const std::string agent_home = session.agent_home(name);
    const Service until = keep_apps ? agent_service(agent_home) : keeper_service(agent_home);
    const auto ended = watch_end(until);
    let_go_on(agent_service(agent_home));
    let_go_on(keeper_service(agent_home));
    BERTH_TRY(Client * client, session.client(name));
    std::optional<Error> refused;
    bool gone = !ended;
    client->send("shutdown",
                 wire::Value::Map{{"keep_apps", keep_apps}},
                 [&refused](Result<wire::Value> answer) {
                     if (!answer) {
                         refused = answer.error();
                     }
                 });
    const auto watch =
        ended ? session.loop->watch(
                    ended->get(), loop::Interest::Read, [&gone](bool, bool) { gone = true; })
              : loop::Registration();
    const MonoTime give_up = MonoClock::now() + kDownWait;
    while (!gone && !refused && MonoClock::now() < give_up) {
        (void)session.loop->turn(std::chrono::seconds(1));
    }
    if (refused) {
        return fail(*refused);
    }
    // The agent ends a moment after its keeper: until then its relay answers apps.
    if (!gone || !wait_for_end(*session.loop, until, kDownWait) ||
        !wait_for_end(*session.loop, agent_service(agent_home), kDownWait)) {
        return fail(ErrorCode::WrongState, "the agent is still stopping; see berth list");
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
            return report({ErrorCode::AlreadyExists,
                           "--url and --trusted-proxy are read at the start: berth down first",
                           0});
        }
        print_address(home);
        return kDone;
    }
    const std::string ready = home + "/up.ready";
    if (session.arguments.has("--detach")) {
        const std::string listen = session.arguments.get("--listen", kDefaultListen);
        std::vector<std::string> words = {"up", "--home", home, "--listen", listen};
        if (session.arguments.has("--allow-remote")) {
            words.emplace_back("--allow-remote");
        }
        for (std::string& word : controller_options(session)) {
            words.push_back(std::move(word));
        }
        const int code = detach(session, words, home + "/up.log", ready);
        if (code == kDone) {
            print_address(home);
        }
        return code;
    }
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    Up up(session, terminal ? "" : home + "/up.log");
    auto begun = up.begin();
    if (begun) {
        begun = up.wait_until_ready();
    }
    if (!begun) {
        up.stop(/*keep_apps=*/true);
        return report(begun.error());
    }
    print_address(home);
    (void)os::replace_file(ready,
                           std::to_string(::getpid()));  // who waits for it gives up by himself
    up.run();
    (void)os::remove_tree(ready);
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
        if (auto left = leave(session, "default", keep); !left) {
            return report(left.error());
        }
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
    if (auto made = os::make_folders(agent_home + "/run"); !made) {
        return report(made.error());
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
    if (auto left = leave(session, session.agent, keep); !left) {
        return report(left.error());
    }
    print("agent " + session.agent + " has ended" + (keep ? "; its apps go on\n" : "\n"));
    return kDone;
}

}  // namespace berth::cli
