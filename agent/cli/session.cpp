#include "agent/cli/session.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "agent/cli/instance.h"
#include "agent/cli/repair.h"
#include "shared/base/text.h"
#include "shared/home/places.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/wire/status.h"

namespace berth::cli {

int exit_code_of(const Error& error) {
    switch (error.code) {
        case ErrorCode::InvalidArgument:
            return kUsage;
        case ErrorCode::NotFound:
            return kNothing;
        case ErrorCode::Unavailable:
        case ErrorCode::TimedOut:
            return kUnreachable;
        case ErrorCode::PermissionDenied:
        case ErrorCode::Unauthenticated:
            return kForbidden;
        case ErrorCode::AlreadyExists:
        case ErrorCode::WrongState:
        case ErrorCode::TooLarge:
        case ErrorCode::Exhausted:
        case ErrorCode::Io:
        case ErrorCode::Internal:
            break;
    }
    return kFailed;
}

int report(const Error& error) {
    print_error(error.message);
    return exit_code_of(error);
}

int report_unmatched(const std::vector<std::string>& unmatched) {
    for (const std::string& pattern : unmatched) {
        print_error("no app matches \"" + pattern + "\"");
    }
    return unmatched.empty() ? kDone : kNothing;
}

std::string default_home() {
    const auto variable = [](const char* name) {
        const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
        return std::string(value != nullptr ? value : "");
    };
    if (const std::string home = variable("BERTH_HOME"); !home.empty()) {
        return os::absolute_path(home);
    }
    if (::geteuid() == 0) {
        return "/var/lib/berth";
    }
    const std::string data = variable("XDG_DATA_HOME");
    return data.empty() ? variable("HOME") + "/.local/share/berth" : data + "/berth";
}

Result<Client*> Session::client(const std::string& agent_name) {
    auto& slot = clients_[agent_name];
    if (slot) {
        return slot.get();
    }
    if (is_remote(agent_name)) {
        BERTH_TRY(slot, Client::connect_through(*loop, home, agent_name));
        return slot.get();
    }
    if (!os::is_folder(agent_home(agent_name)) && agent_name != "default") {
        const auto folders = os::list_folder(home + "/agents");
        std::vector<std::string> names = folders ? *folders : std::vector<std::string>();
        for (const std::string& name : remote_agents()) {
            names.push_back(name);
        }
        const bool controller = running_pid(controller_service(home)).has_value();
        return fail(ErrorCode::Unavailable,
                    "no agent is called \"" + agent_name + "\" here" +
                        (names.empty() ? "" : "; there are " + some_of(names)) +
                        (controller ? ""
                                    : "; those of other machines are known while a controller "
                                      "runs here: berth up --detach"));
    }
    BERTH_TRY(slot, Client::connect(*loop, agent_home(agent_name)));
    return slot.get();
}

std::vector<std::string> Session::remote_agents() const {
    std::vector<std::string> names;
    const auto text = os::read_file(remote_agents_file(home));
    if (!text || !running_pid(controller_service(home))) {
        return names;
    }
    for (const std::string_view name : split(*text, '\n')) {
        if (!name.empty()) {
            names.emplace_back(name);
        }
    }
    return names;
}

bool Session::is_remote(const std::string& agent_name) const {
    if (os::is_folder(agent_home(agent_name))) {
        return false;
    }
    const auto names = remote_agents();
    return std::find(names.begin(), names.end(), agent_name) != names.end();
}

namespace {

// Ends a keeper that was started for an agent which cannot begin. False: it has apps that run.
bool give_up(loop::EventLoop& loop, const std::string& folder, pid_t keeper) {
    constexpr Duration kWait = std::chrono::seconds(1);
    (void)os::send_signal_to(keeper, SIGUSR2);
    return wait_for_end(loop, keeper_service(folder), kWait);
}

}  // namespace

Result<wire::Value> Session::bring_up(const std::string& agent_name, const std::string& log_file) {
    constexpr int kAttempts = 5;
    constexpr int kTriesRefused = 2;
    constexpr Duration kPause = std::chrono::milliseconds(200);
    constexpr Duration kWait = std::chrono::seconds(10);
    const std::string folder = agent_home(agent_name);
    BERTH_CHECK(os::make_folders(folder));
    std::string why;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        if (auto held = held_still(folder)) {
            return fail(ErrorCode::Unavailable, std::move(*held));
        }
        if (auto lost = without_lock(folder)) {
            return fail(ErrorCode::Unavailable, std::move(*lost));
        }
        home::Places places = home::places_of(folder);
        if (places.old_layout && !running_pid(keeper_service(folder))) {
            places = home::new_layout_of(places);  // the keeper that begins now moves it over
        }
        const std::string problem = places.at("agent.problem");
        BERTH_CHECK(os::remove_tree(problem));  // of an earlier try
        BERTH_TRY(const auto starting, ensure_agent(folder, agent_name, log_file));
        std::string refusal;
        const auto report =
            starting ? loop->watch(starting->report.get(),
                                   loop::Interest::Read,
                                   [&](bool, bool) {
                                       const auto said = os::read_report(starting->report);
                                       refusal = said && refusal.empty() ? said->why : refusal;
                                   })
                     : loop::Registration();
        const auto gave_up = [&folder] {
            return !running_pid(keeper_service(folder)) && !running_pid(agent_service(folder));
        };
        // A keeper that is on its way out starts no agent any more: its end ends the wait.
        const auto keeper = watch_end(keeper_service(folder));
        bool ended = !starting && !keeper && !running_pid(agent_service(folder));
        const auto watch = keeper ? loop->watch(keeper->get(),
                                                loop::Interest::Read,
                                                [&ended](bool, bool) { ended = true; })
                                  : loop::Registration();
        (void)wait_for_file(*loop, places.at("control.sock"), kWait, [&problem, &ended, &refusal] {
            return ended || !refusal.empty() || os::exists(problem);
        });
        // A lock may be that of a process which was killed and is still ending: nobody tells when.
        if (!refusal.empty() && attempt < kTriesRefused) {
            const MonoTime again = MonoClock::now() + kPause;
            while (MonoClock::now() < again && loop->turn(again - MonoClock::now())) {
            }
            continue;
        }
        if (!refusal.empty()) {
            return fail(ErrorCode::Unavailable,
                        "agent " + agent_name + " cannot begin: " + refusal + repair_hint(refusal));
        }
        if (const auto text = os::read_file(problem)) {
            return fail(ErrorCode::Unavailable,
                        "agent " + agent_name + " cannot begin: " + std::string(trim(*text)) +
                            repair_hint(*text) +
                            (starting && give_up(*loop, folder, starting->pid)
                                 ? ""
                                 : "; its apps run on, and it tries again until that is mended"));
        }
        clients_.erase(agent_name);
        const auto reached = client(agent_name);
        auto hello = reached ? (*reached)->ask("hello", wire::Value::Map{}, kWait)
                             : Result<wire::Value>(fail(reached.error()));
        if (hello) {
            return hello;
        }
        why = hello.error().message;
        // One that was on its way out answers nobody; the next attempt starts anew.
        if (!gave_up()) {
            (void)wait_for_end(*loop, agent_service(folder), std::chrono::seconds(2));
        }
    }
    return fail(ErrorCode::Unavailable,
                "agent " + agent_name + " did not come up: " + why +
                    (log_file.empty() ? "" : "; see " + log_file));
}

void Session::end_with_reader() {
    struct stat info {};

    if (::fstat(STDOUT_FILENO, &info) != 0 || !(S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode))) {
        return;
    }
    reader_ = loop->watch(STDOUT_FILENO, loop::Interest::None, [](bool, bool) {
        (void)::signal(SIGPIPE, SIG_DFL);
        (void)::raise(SIGPIPE);
    });
}

std::vector<std::string> Session::running_agents() const {
    std::vector<std::string> names;
    const auto folders = os::list_folder(home + "/agents");
    for (const std::string& name : folders ? *folders : std::vector<std::string>()) {
        if (os::is_locked(home::places_of(agent_home(name)).lock("keeper"))) {
            names.push_back(name);
        }
    }
    return names;
}

std::map<std::string, std::vector<std::string>> by_agent(const Session& session,
                                                         const std::vector<std::string>& patterns) {
    std::map<std::string, std::vector<std::string>> result;
    for (const std::string& pattern : patterns) {
        const std::size_t slash = pattern.find('/');
        if (slash == std::string::npos) {
            result[session.agent].push_back(pattern);
        } else {
            result[pattern.substr(0, slash)].push_back(pattern.substr(slash + 1));
        }
    }
    return result;
}

namespace {

Result<wire::Value> ask_for_apps(Session& session,
                                 const std::string& agent,
                                 const std::vector<std::string>& patterns,
                                 std::size_t tail_lines) {
    // When its agent was killed in this moment, its keeper starts it again: it is asked once more.
    for (bool again = false;; again = true) {
        BERTH_TRY(Client * client, session.client(agent));
        auto answer = client->ask("list",
                                  wire::Value::Map{{"patterns", wire::strings(patterns)},
                                                   {"expressions", session.expressions},
                                                   {"lines", std::uint64_t{tail_lines}}});
        if (answer || again || !client->lost()) {
            return answer;
        }
        session.forget_client(agent);
    }
}

}  // namespace

Result<Listing> list_apps(Session& session,
                          const std::vector<std::string>& patterns,
                          std::size_t tail_lines,
                          Silent silent) {
    auto asked = by_agent(session, patterns);
    if (patterns.empty()) {
        const bool one = session.arguments.has("--agent");
        for (const std::string& name :
             one ? std::vector<std::string>{session.agent} : session.running_agents()) {
            asked[name] = {};
        }
        for (const std::string& name : one ? std::vector<std::string>() : session.remote_agents()) {
            asked[name] = {};
        }
        if (asked.empty()) {
            asked[session.agent] = {};  // says that nothing runs
        }
    }
    Listing listing;
    for (const auto& [name, wanted] : asked) {
        const auto answer = ask_for_apps(session, name, wanted, tail_lines);
        if (!answer) {
            if (silent == Silent::Fails || asked.size() == 1 ||
                exit_code_of(answer.error()) != kUnreachable) {
                return fail(answer.error());
            }
            const std::string of = session.is_remote(name) ? "agent " + name + ": " : "";
            listing.silent.push_back({answer.error().code, of + answer.error().message, 0});
            continue;
        }
        const wire::Value& info = *answer;
        if (const std::string problem = info["agent"]["problem"].as_string(); !problem.empty()) {
            listing.problems.push_back("agent " + name + ": " + problem);
        }
        for (const std::string& complaint : info["agent"]["complaints"].as_strings()) {
            listing.problems.push_back(complaint);
        }
        for (const wire::Value& value : info["apps"].as_array()) {
            BERTH_TRY(AppStatus status, wire::to_app_status(value));
            status.agent = name;
            const std::string key = name + "/" + status.id;
            for (const wire::Value& line : info["tails"][status.id].as_array()) {
                listing.tails[key].push_back(wire::to_log_line(line));
            }
            listing.apps.push_back(std::move(status));
        }
        for (const std::string& pattern : info["unmatched"].as_strings()) {
            listing.unmatched.push_back(name == session.agent ? pattern : name + "/" + pattern);
        }
    }
    return listing;
}

Result<AppStatus> one_app(Session& session, const std::string& pattern) {
    BERTH_TRY(Listing listing, list_apps(session, {pattern}, 0));
    if (listing.apps.empty()) {
        return fail(ErrorCode::NotFound, "no app matches \"" + pattern + "\"");
    }
    if (listing.apps.size() > 1) {
        std::vector<std::string> names;
        for (const AppStatus& app : listing.apps) {
            names.push_back(app.id);
        }
        return fail(ErrorCode::InvalidArgument,
                    "\"" + pattern + "\" matches several apps: " + some_of(names));
    }
    return listing.apps.front();
}

Target target_of(const Session& session, const std::string& word) {
    const std::size_t slash = word.find('/');
    return slash == std::string::npos ? Target{session.agent, word}
                                      : Target{word.substr(0, slash), word.substr(slash + 1)};
}

}  // namespace berth::cli
