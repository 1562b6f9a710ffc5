#include <unistd.h>

#include <algorithm>
#include <vector>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "agent/cli/instance.h"
#include "agent/cli/repair.h"
#include "agent/cli/terminal.h"
#include "shared/base/key_text.h"
#include "shared/base/text.h"
#include "shared/home/identity.h"
#include "shared/home/marks.h"
#include "shared/os/cgroup.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/folder_probe.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"
#include "shared/wire/status.h"

namespace berth::cli {

using wire::Value;

namespace {

// "10.0.0.5:6883" too.
std::string as_endpoint(const std::string& text) {
    return text.empty() || text.find("://") != std::string::npos ? text : "tcp://" + text;
}

// Where others reach what listens there: one that listens everywhere by the name of its machine.
std::string reached_at(const std::string& endpoint) {
    const std::size_t colon = endpoint.rfind(':');
    const std::string host = endpoint.substr(0, colon);
    const bool everywhere = host == "tcp://0.0.0.0" || host == "tcp://*" || host == "tcp://[::]";
    return everywhere ? "tcp://" + os::host_name() + endpoint.substr(colon) : endpoint;
}

// A name for it at the controller: each machine's first agent is called default.
std::string suggested_name(const std::string& agent) {
    std::string host = os::host_name();
    host.resize(std::min(host.find('.'), host.size()));
    return agent == "default" && is_valid_id(host) ? host : agent;
}

// What makes the agent known to a controller, to be pasted there.
std::string add_agent_line(const std::string& agent, const Value& info) {
    return "berth controller add-agent " + suggested_name(agent) + " --endpoint " +
           reached_at(info["endpoint"].as_string()) + " --key " +
           shown_key(info["public_key"].as_string());
}

// An agent of before lets each key do everything.
std::string role_of(const Value& peer) {
    const std::string& role = peer["role"].as_string();
    return role.empty() ? "admin" : role;
}

int show_peers(const Session& session, const Value& info) {
    const std::string key = shown_key(info["public_key"].as_string());
    const std::string endpoint = info["endpoint"].as_string();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("endpoint", endpoint);
        json.field("public_key", key).key("peers").begin_array();
        for (const Value& peer : info["peers"].as_array()) {
            json.begin_object()
                .field("name", peer["name"].as_string())
                .field("role", role_of(peer))
                .field("key", shown_key(peer["key"].as_string()))
                .end_object();
        }
        json.end_array().end_object();
        print(json.take() + "\n");
        return kDone;
    }
    print("endpoint: " +
          (endpoint.empty() ? "none; authorize KEY --listen HOST:PORT, or [control] listen in "
                              "agent.toml"
                            : endpoint) +
          "\n");
    print("public key: " + key + "\n");
    for (const Value& peer : info["peers"].as_array()) {
        print("allowed: " + shown_key(peer["key"].as_string()) + " " + peer["name"].as_string() +
              " (" + role_of(peer) + ")\n");
    }
    if (!endpoint.empty()) {
        print("at the controller: " + add_agent_line(session.agent, info) + "\n");
    }
    return kDone;
}

}  // namespace

int run_agent_keys(Session& session) {
    const std::string verb(session.arguments.command->name.substr(6));
    const std::string role = session.arguments.get("--role", "admin");
    Value::Map args;
    if (verb != "peers") {
        args = {{"key", session.arguments.words.front()},
                {"name", session.arguments.get("--name")},
                {"role", role},
                {"listen", as_endpoint(session.arguments.get("--listen"))}};
    }
    const auto client = session.client(session.agent);
    const auto info = client ? (*client)->ask(verb, args) : Result<Value>(fail(client.error()));
    if (!info) {
        return report(info.error());
    }
    if (verb == "peers") {
        return show_peers(session, *info);
    }
    if (verb == "authorize" && role_of(*info) != role) {
        // A map by its name: a list of the two texts is what {{...}} alone would be.
        const auto revoked =
            (*client)->ask("revoke", Value::Map{{"key", session.arguments.words.front()}});
        return report({ErrorCode::WrongState,
                       revoked ? "this agent is older and knows no roles, it would let the key do "
                                 "everything; upgrade it with: berth agent upgrade"
                               : "this agent is older and knows no roles: the key may do "
                                 "everything, and could not be revoked (" +
                                     revoked.error().message +
                                     "); berth agent revoke, then berth agent upgrade",
                       0});
    }
    const std::string as = role == "admin" ? "" : " as " + role;
    print(verb == "authorize" ? "authorized" + as + "\n" : "revoked\n");
    if (verb == "authorize" && (*info)["endpoint"].as_string().empty()) {
        print_error(
            "it listens to this machine alone; --listen HOST:PORT opens it to the "
            "controller's");
    } else if (verb == "authorize") {
        print("at the controller: " + add_agent_line(session.agent, *info) + "\n");
    }
    return kDone;
}

namespace {

// Becomes berth-controller with these arguments.
int exec_controller(const Session& session, std::vector<std::string> words) {
    const auto program = os::sibling_executable("berth-controller");
    if (!program) {
        return report(program.error());
    }
    words.insert(words.begin(), *program);
    words.insert(words.end(), {"--home", session.home});
    std::vector<char*> argv;
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    (void)::execv(program->c_str(), argv.data());
    return report(os::last_error("run " + *program));
}

// Hands a line to a program that reads it from stdin, which then becomes ours.
Result<void> offer_on_stdin(const std::string& line) {
    BERTH_TRY(os::FdPair pair, os::make_socketpair(os::SocketKind::Stream));
    if (os::write_some(pair.first.get(), line + "\n").status != os::IoStatus::Done ||
        ::dup2(pair.second.get(), STDIN_FILENO) < 0) {
        return fail(os::last_error("hand over the password"));
    }
    return {};
}

// Asks for a password, twice, and before for the present one when `present`; what was typed is then
// on stdin, a line each.
Result<void> ask_password(const std::string& user, bool present) {
    std::string lines;
    if (present) {
        BERTH_TRY(lines, read_password("Present password of " + user + ": "));
        lines += '\n';
    }
    BERTH_TRY(const std::string password,
              read_password((present ? "New password: " : "Password for " + user + ": ")));
    BERTH_TRY(const std::string again, read_password("Again: "));
    if (again != password) {
        return fail(ErrorCode::InvalidArgument, "the two passwords differ");
    }
    return offer_on_stdin(lines + password);
}

}  // namespace

int run_controller(Session& session) {
    const Arguments& arguments = session.arguments;
    const std::string verb(arguments.command->name.substr(11));
    std::vector<std::string> words;
    if (verb != "run") {
        words.push_back(verb);
    }
    words.insert(words.end(), arguments.words.begin(), arguments.words.end());
    for (const char* option :
         {"--listen", "--url", "--trusted-proxy", "--panel-dir", "--role", "--endpoint", "--key"}) {
        if (arguments.has(option)) {
            words.insert(words.end(), {option, arguments.get(option)});
        }
    }
    for (const char* option : {"--allow-remote", "--tls", "--no-wait"}) {
        if (arguments.has(option)) {
            words.emplace_back(option);
        }
    }
    if (arguments.has("--timeout")) {
        const auto limit = parse_duration(arguments.get("--timeout"));
        if (!limit) {
            return report(limit.error());
        }
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*limit).count();
        words.insert(words.end(), {"--timeout", std::to_string(seconds)});
    }
    if (verb == "public-key" && ::isatty(STDERR_FILENO) != 0) {
        print_error(
            "let it in on the agent's machine: berth agent authorize KEY --listen "
            "0.0.0.0:6883");
    }
    const bool changes = verb == "change-password";
    if ((changes || verb == "add-user" || verb == "reset-password") &&
        ::isatty(STDIN_FILENO) != 0) {
        if (auto asked = ask_password(arguments.words.front(), changes); !asked) {
            return report(asked.error());
        }
    }
    return exec_controller(session, std::move(words));
}

namespace {

constexpr Duration kControllerAnswer = std::chrono::seconds(3);

// Of many things that are to be seen to, the first.
std::string first_of(std::vector<std::string> notes) {
    constexpr std::size_t kMost = 5;
    if (notes.size() > kMost) {
        const std::size_t more = notes.size() - kMost;
        notes.resize(kMost);
        notes.push_back("and " + std::to_string(more) + " more");
    }
    return join(notes, "; ");
}

// The nearest folder of its path that exists.
std::string existing_part(std::string path) {
    while (path.size() > 1 && !os::exists(path)) {
        path.resize(std::max<std::size_t>(path.rfind('/'), 1));
    }
    return path;
}

// Whether it is there, or can be made, and whether there is room to write.
template <class Check>
void check_home(const std::string& home, const Check& check) {
    const bool there = os::is_folder(home);
    const std::string folder = there ? home : existing_part(home);
    check(
        there, "home " + home, os::exists(home) ? "it is not a folder" : "it is made by: berth up");
    // What the permissions say is not enough: a file system may be read-only, or none that keeps
    // files, as /proc.
    const auto tried = os::can_make_files(folder);
    check(tried.has_value(),
          there ? "home is writable" : "home can be made in " + folder,
          tried ? "" : tried.error().message);
}

// The agents of other machines, as the controller sees them.
template <class Check>
void check_remote_agents(Session& session, const Check& check) {
    const auto client = Client::connect_through(*session.loop, session.home, "");
    const auto info = client ? (*client)->ask("agents", Value::Map{}, kControllerAnswer)
                             : Result<Value>(fail(client.error()));
    if (!info) {
        return check(false, "the controller answers", info.error().message);
    }
    for (const Value& agent : (*info)["agents"].as_array()) {
        if (!agent["local"].as_bool()) {
            check(agent["state"].as_string() == "connected",
                  "agent " + agent["name"].as_string() + " at " + agent["endpoint"].as_string() +
                      " is " + agent["state"].as_string(),
                  agent["error"].as_string());
        }
    }
}

}  // namespace

int run_doctor(Session& session) {
    bool all_good = true;
    const auto check = [&all_good](bool good, const std::string& what, const std::string& remedy) {
        print((good ? "ok    " : "NOTE  ") + what + (good || remedy.empty() ? "" : ": " + remedy) +
              "\n");
        all_good = all_good && good;
    };
    check_home(session.home, check);
    for (const std::string& one : homes_below(session.home)) {
        const auto being = home::being_of(home::places_of(one));
        const std::string why = being ? home::standby_notice(*being) : being.error().message;
        if (being && being->original) {
            std::string running;
            for (const auto& process : home::processes_marked(being->original->mark)) {
                running += (running.empty() ? "" : ", ") + process.id + " (pid " +
                           std::to_string(process.pid) + ")";
            }
            check(why.empty(), one + " is no copy of a home that lives", why);
            check(running.empty(),
                  "nothing runs from " + being->original->path + " any more",
                  "these do: " + running);
        }
    }
    for (const BrokenFile& file : broken_files(session)) {
        if (!session.arguments.has("--repair")) {
            check(false,
                  file.path + " can be read",
                  file.problem +
                      "; `berth doctor --repair` puts it aside. Lost with it: " + file.loss);
            continue;
        }
        const auto aside = put_aside(file);
        check(aside.has_value(),
              file.path + " is put aside" + (aside ? " as " + *aside + ". Lost: " + file.loss : ""),
              aside ? "" : aside.error().message);
    }
    const auto cgroup = os::Cgroup::create("berth-doctor");
    if (cgroup) {
        (void)cgroup->remove();
    }
    check(cgroup.has_value(),
          "cgroup v2 is writable",
          cgroup ? ""
                 : cgroup.error().message +
                       "; trees of processes are found through the subreaper instead");
    for (const char* program : {"berth-keeper", "berth-agent", "berth-controller"}) {
        const auto found = os::sibling_executable(program);
        check(found.has_value(), program, found ? "" : found.error().message);
    }
    const auto agents = session.running_agents();
    check(!agents.empty(), "an agent runs", "start one with: berth up --detach");
    for (const std::string& name : agents) {
        const auto client = session.client(name);
        const auto answer =
            client ? (*client)->ask("hello", Value::Map{}) : Result<Value>(fail(client.error()));
        check(
            answer.has_value(), "agent " + name + " answers", answer ? "" : answer.error().message);
        if (answer) {
            const AgentInfo info = wire::to_agent_info((*answer)["agent"]);
            check(info.problem.empty(), "agent " + name + ": the keeper answers", info.problem);
            check(info.complaints.empty(),
                  "agent " + name + ": agent.toml and what is below repos/ can be read",
                  first_of(info.complaints));
            const auto listing = list_apps(session, {name + "/.*"}, 0);
            std::vector<std::string> notes;
            for (const AppStatus& app : listing ? listing->apps : std::vector<AppStatus>()) {
                for (const std::string& note : {app.log_note, app.descriptor_note}) {
                    if (!note.empty()) {
                        notes.push_back(app.id + ": " + note);
                    }
                }
            }
            check(notes.empty(),
                  "agent " + name + ": logs and descriptors are as they were left",
                  first_of(notes));
            std::string held;
            for (const std::string& controller : info.controllers) {
                held += (held.empty() ? "" : ", ") + controller;
            }
            check(info.controllers.size() == 3,
                  "agent " + name + ": limits held by cgroup v2: " + (held.empty() ? "none" : held),
                  "limits on memory and pids are looked after once a second instead, one on cpu is "
                  "not enforced; a service unit needs Delegate=yes");
        }
    }
    const bool controller = running_pid(controller_service(session.home)).has_value();
    check(controller, "a controller runs", "start one with: berth up --detach");
    if (controller) {
        check_remote_agents(session, check);
    }
    return all_good ? kDone : kFailed;
}

}  // namespace berth::cli
