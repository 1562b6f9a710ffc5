#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "agent/cli/commands.h"
#include "agent/cli/instance.h"
#include "shared/base/terminal_text.h"
#include "shared/os/file.h"
#include "shared/wire/status.h"

// SPMI's command line on Berth: the same verbs, messages and shapes as its user guide shows, with
// exit codes that tell the truth. Log lines go to stderr, tables and blocks to stdout.

namespace berth::cli {

using wire::Value;

namespace {

constexpr const char* kHelp =
    "Simple Process Management Interface, as Berth speaks it\n"
    "\n"
    "SPMI is a program to maintain processes.\n"
    "\n"
    "Usage:\n"
    "    spmi list [-d | --debug]\n"
    "    spmi load <pathes>... [-d | --debug]\n"
    "    spmi start <patterns>... [-d | --debug]\n"
    "    spmi stop <patterns>... [-d | --debug]\n"
    "    spmi kill <patterns>... [-d | --debug]\n"
    "    spmi clean <patterns>... [-d | --debug]\n"
    "    spmi status <patterns>... [-d | --debug]\n"
    "    spmi connect <task_id> [-d | --debug]\n"
    "\n"
    "Options:\n"
    "    -h --help     Show this screen\n"
    "    -v --version  Show version\n"
    "    -d --debug    Run in debug mode\n";

constexpr Duration kVerbWait = std::chrono::hours(24);  // the apps' own limits end it before

enum class Level : std::uint8_t { Info, Warning, Error };

void say(Level level, const std::string& message) {
    const Now now = read_clocks();
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.wall.time_since_epoch()).count() %
        1000;
    const char* const name = level == Level::Info      ? "INFO"
                             : level == Level::Warning ? "WARNING"
                                                       : "ERROR";
    const char* const color = level == Level::Info      ? "\x1b[32;20m"
                              : level == Level::Warning ? "\x1b[33;20m"
                                                        : "\x1b[31;20m";
    const bool colored = ::isatty(STDERR_FILENO) != 0;
    const std::string text =
        fmt::format("[{},{:03} - Spmi - {}]\n{}", local_time(now.wall), ms, name, message);
    const std::string line = (colored ? color + text + "\x1b[0m" : text) + "\n";
    (void)std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string counted(std::string_view done, std::size_t count) {
    return fmt::format("{} {} manageable{}", done, count, count == 1 ? "" : "s");
}

struct SpmiVerb {
    std::string_view name;
    std::string_view doing;  // 'Starting manageable "id"'
    std::string_view done;   // "Started N manageables"
};

constexpr std::array<SpmiVerb, 4> kVerbs = {{
    {"start", "Starting", "Started"},
    {"stop", "Stopping", "Stopped"},
    {"kill", "Killing", "Killed"},
    {"clean", "Cleaning", "Cleaned"},
}};

int fail_with(const Error& error, const std::string& what) {
    say(Level::Error, what + "\n" + error.message);
    return exit_code_of(error);
}

int spmi_list(Session& session) {
    const auto listing = list_apps(session, {}, 0);
    if (!listing) {
        return fail_with(listing.error(), "Failed to list:");
    }
    say(Level::Info, counted("Registered", listing->apps.size()));
    std::size_t id_width = 10;
    for (const AppStatus& app : listing->apps) {
        id_width = std::max(id_width, app.id.size() + 1);
    }
    print(fmt::format("{:<{}}{:<10}{}\n", "ID", id_width, "ACTIVE", "COMMENT"));
    for (const AppStatus& app : listing->apps) {
        print(fmt::format("{:<{}}{:<10}{}\n",
                          app.id,
                          id_width,
                          is_active(app.state) ? "active" : "inactive",
                          in_one_line(app.comment)));
    }
    return kDone;
}

int spmi_load(Session& session, const std::vector<std::string>& paths) {
    std::vector<std::string> absolute;
    for (const std::string& path : paths) {
        absolute.push_back(os::absolute_path(path));
    }
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        environment.emplace_back(*entry);
    }
    const auto cwd = os::current_folder();
    const auto client = session.client(session.agent);
    if (!cwd || !client) {
        return fail_with(cwd ? client.error() : cwd.error(), "Failed to load:");
    }
    const auto info = (*client)->ask("load",
                                     Value::Map{{"paths", wire::strings(absolute)},
                                                {"cwd", *cwd},
                                                {"environment", wire::strings(environment)},
                                                {"fresh", true},
                                                {"actor", session.actor}});
    if (!info) {
        return fail_with(info.error(), "Failed to load:");
    }
    if (const auto problems = (*info)["problems"].as_strings(); !problems.empty()) {
        std::string text = "Failed to load:";
        for (const std::string& problem : problems) {
            text += "\n" + problem;
        }
        say(Level::Error, text);
        return kFailed;
    }
    say(Level::Info, counted("Loaded", (*info)["loaded"].as_strings().size()));
    return kDone;
}

int spmi_verb(Session& session, const SpmiVerb& verb, const std::vector<std::string>& patterns) {
    const auto listing = list_apps(session, patterns, 0);
    if (!listing) {
        return fail_with(listing.error(), fmt::format("Failed to {}:", verb.name));
    }
    if (listing->apps.empty()) {
        say(Level::Warning, fmt::format("Nothing to {}", verb.name));
        return kNothing;
    }
    std::size_t done = 0;
    for (const AppStatus& app : listing->apps) {
        say(Level::Info, fmt::format("{} manageable \"{}\"", verb.doing, app.id));
        const auto client = session.client(app.agent);
        const auto info = client ? (*client)->ask("act",
                                                  Value::Map{{"verb", std::string(verb.name)},
                                                             {"ids", wire::strings({app.id})},
                                                             {"wait", verb.name != "start"},
                                                             {"actor", session.actor}},
                                                  kVerbWait)
                                 : Result<Value>(fail(client.error()));
        const wire::ActResult result =
            info ? wire::to_act_result((*info)["results"].at(0)) : wire::ActResult();
        if (info && result.ok) {
            ++done;
            continue;
        }
        std::string why = info ? result.message : info.error().message;
        why = why == "must be active"     ? "Must be active"
              : why == "must be inactive" ? "Must be inactive"
                                          : why;
        say(Level::Error, fmt::format("Failed to {} \"{}\":\n{}", verb.name, app.id, why));
    }
    say(Level::Info, fmt::format("{} {} manageables", verb.done, done));
    return done == listing->apps.size() ? kDone : kFailed;
}

int spmi_status(Session& session, const std::vector<std::string>& patterns) {
    const auto listing = list_apps(session, patterns, 5);
    if (!listing) {
        return fail_with(listing.error(), "Failed to show:");
    }
    if (listing->apps.empty()) {
        say(Level::Warning, "Nothing to show");
        return kNothing;
    }
    const WallTime now = read_clocks().wall;
    for (const AppStatus& app : listing->apps) {
        const bool active = is_active(app.state);
        const std::optional<WallTime> since = active ? app.started : app.finished;
        const bool colored = ::isatty(STDOUT_FILENO) != 0;
        const std::string word = active ? "active" : "inactive";
        std::string activity =
            colored ? (active ? "\x1b[32;20m" : "\x1b[31;20m") + word + "\x1b[0m" : word;
        if (since) {
            activity +=
                " since " + local_time(*since) + " (" + elapsed_text(now - *since) + " ago)";
        }
        const auto code = spmi_exit_code(app.exit);
        std::string text = app.id + " (task) - " + in_one_line(app.comment) + "\n";
        const auto line = [&text](std::string_view label, const std::string& value) {
            text += fmt::format("{:>12}: {}\n", label, value);
        };
        line("Active", activity);
        line("Path", "\"" + app.path + "\"");
        line("Backend type", std::string(kBackendTypeNames.name(app.backend)));
        if (app.last_pid) {
            line("Backend ID", app.backend_id);
        }
        line("Wrapper type", "default");
        line("Command", app.command);
        if (app.last_pid) {
            line("PID", std::to_string(*app.last_pid));
        }
        if (code && !active) {
            line("Exit code", std::to_string(*code));
        }
        const auto tail = listing->tails.find(app.agent + "/" + app.id);
        print(text + "\n" +
              (tail != listing->tails.end() ? joined_text(tail->second) : std::string()) + "\n");
    }
    (void)std::fflush(stdout);
    say(Level::Info, fmt::format("Showed {} manageables", listing->apps.size()));
    return kDone;
}

int usage_error() {
    (void)std::fputs(kHelp, stderr);
    return kUsage;
}

// $SPMI_PATH, when set, is the home: SPMI users keep several pools apart that way.
std::string spmi_home() {
    const char* const path = std::getenv("SPMI_PATH");  // NOLINT(concurrency-mt-unsafe): one thread
    return path != nullptr && *path != '\0' ? os::absolute_path(path) : default_home();
}

// No daemon needs to be there before: the first command starts the agent.
Result<void> ensure_running(Session& session) {
    const std::string home = session.agent_home(session.agent);
    if (running_pid(agent_service(home)) || running_pid(keeper_service(home))) {
        return {};
    }
    say(Level::Info, "Starting the agent for " + session.home);
    BERTH_TRY(const Value hello, session.bring_up(session.agent, home + "/agent.log"));
    return {};
}

}  // namespace

int run_spmi(const std::vector<std::string>& all) {
    std::vector<std::string> words;
    for (const std::string& word : all) {
        if (word == "-h" || word == "--help") {
            print(kHelp);
            return kDone;
        }
        if (word == "-v" || word == "--version") {
            print("SPMI as of Berth " BERTH_VERSION "\n");
            return kDone;
        }
        if (word != "-d" && word != "--debug") {
            words.push_back(word);
        }
    }
    const std::string verb = words.empty() ? "" : words.front();
    const std::vector<std::string> rest(words.begin() + (words.empty() ? 0 : 1), words.end());
    const auto* const known = std::find_if(
        kVerbs.begin(), kVerbs.end(), [&verb](const SpmiVerb& v) { return v.name == verb; });
    const bool takes_words =
        verb == "load" || verb == "status" || verb == "connect" || known != kVerbs.end();
    if ((verb != "list" && !takes_words) || takes_words == rest.empty() ||
        (verb == "connect" && rest.size() != 1)) {
        return usage_error();
    }
    auto loop = loop::EventLoop::create();
    if (!loop) {
        return fail_with(loop.error(), "Failed to begin:");
    }
    Session session;
    session.loop = std::move(*loop);
    session.home = spmi_home();
    session.agent = "default";
    session.actor = "spmi";
    session.expressions = true;
    session.arguments.line.set("--agent", "default");
    session.arguments.words = rest;
    if (auto running = ensure_running(session); !running) {
        return fail_with(running.error(), "Failed to start the agent:");
    }
    if (verb == "list") {
        return spmi_list(session);
    }
    if (verb == "load") {
        return spmi_load(session, rest);
    }
    if (verb == "status") {
        return spmi_status(session, rest);
    }
    return verb == "connect" ? run_connect(session) : spmi_verb(session, *known, rest);
}

}  // namespace berth::cli
