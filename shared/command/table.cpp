#include "shared/command/table.h"

namespace berth::command {

namespace {

constexpr std::string_view kServices = "Starting and ending";
constexpr std::string_view kApps = "Apps";
constexpr std::string_view kLooking = "Looking";
constexpr std::string_view kMachine = "Agents and controllers";
constexpr std::string_view kShell = "Shell";

const Option kNoWait{"--no-wait", "", "", "do not wait for the outcome"};
const Option kTimeout{"--timeout", "", "DURATION", "how long to wait for the outcome, 30s"};

std::vector<Command> make_commands() {
    return {
        {"up",
         "",
         "start a controller and the default agent on this machine",
         {{"--listen", "", "HOST:PORT", "where the panel listens, 127.0.0.1:6880"},
          {"--allow-remote", "", "", "listen where other machines reach it; there is no TLS yet"},
          {"--detach", "-d", "", "go on in the background"}},
         0,
         0,
         kServices},
        {"down",
         "",
         "end what `up` started: the apps in order, the agent, the controller",
         {{"--keep-apps", "", "", "leave the apps running; `up` takes them over again"}},
         0,
         0,
         kServices},

        {"load",
         "PATH...",
         "register descriptors: files, or folders that hold one",
         {},
         1,
         kAnyNumber,
         kApps},
        {"start",
         "PATTERN...",
         "start apps and wait until they are ready",
         {kNoWait, kTimeout},
         1,
         kAnyNumber,
         kApps},
        {"stop",
         "PATTERN...",
         "stop apps and wait until nothing of them runs",
         {kNoWait, kTimeout},
         1,
         kAnyNumber,
         kApps},
        {"restart", "PATTERN...", "stop and start apps", {kNoWait, kTimeout}, 1, kAnyNumber, kApps},
        {"kill",
         "PATTERN...",
         "end apps at once, with everything they started",
         {kNoWait, kTimeout},
         1,
         kAnyNumber,
         kApps},
        {"reload", "PATTERN...", "read the descriptors of apps again", {}, 1, kAnyNumber, kApps},
        {"clean", "PATTERN...", "forget inactive apps and their logs", {}, 1, kAnyNumber, kApps},
        {"scan", "", "look for new apps below repos/", {}, 0, 0, kApps},

        {"list", "[PATTERN...]", "a line for each app", {}, 0, kAnyNumber, kLooking},
        {"status",
         "PATTERN...",
         "everything about apps, with their last lines",
         {{"--lines", "-n", "N", "how many lines of output, 5"}},
         1,
         kAnyNumber,
         kLooking},
        {"logs",
         "PATTERN...",
         "what apps have written",
         {{"--follow", "-f", "", "go on as they write more"},
          {"--lines", "-n", "N", "the last N lines; 100 when nothing else is given"},
          {"--since", "", "TIME", "from then on: 10m (ago) or 2026-11-24T10:00:00Z"},
          {"--grep", "", "RE", "lines that match a regular expression (RE2)"},
          {"--stream", "", "NAME", "stdout or stderr alone"},
          {"--timestamps", "-t", "", "with the time before each line"}},
         1,
         kAnyNumber,
         kLooking},
        {"connect",
         "ID",
         "see an app's output and type into it; Ctrl-P Ctrl-Q leaves",
         {},
         1,
         1,
         kLooking},
        {"explain", "ID", "why an app is in its state, and what happens next", {}, 1, 1, kLooking},
        {"events",
         "",
         "what has happened",
         {{"--follow", "-f", "", "go on as more happens"},
          {"--lines", "-n", "N", "the last N, 20"}},
         0,
         0,
         kLooking},
        {"is-active",
         "PATTERN",
         "exit code 0 when one of them is active; prints nothing",
         {},
         1,
         1,
         kLooking},
        {"is-failed",
         "PATTERN",
         "exit code 0 when one of them has failed; prints nothing",
         {},
         1,
         1,
         kLooking},

        {"agent run",
         "",
         "run one agent in the foreground",
         {{"--name", "", "NAME", "which one below the home, default"},
          {"--detach", "-d", "", "go on in the background"}},
         0,
         0,
         kMachine},
        {"agent stop",
         "",
         "end the agent of --agent: its apps in order, then itself",
         {{"--keep-apps", "", "", "leave the apps running"}},
         0,
         0,
         kMachine},
        {"agent upgrade",
         "",
         "replace the agent of --agent and its keeper in place; its apps run on",
         {{"--from", "", "DIR", "where the new programs are, beside this one"}},
         0,
         0,
         kMachine},
        {"agent authorize",
         "KEY",
         "let a controller with this public key in",
         {{"--name", "", "NAME", "whose key it is"}},
         1,
         1,
         kMachine},
        {"agent revoke", "KEY", "do not let that controller in any more", {}, 1, 1, kMachine},
        {"agent peers",
         "",
         "the keys that may come in, and where they reach this agent",
         {},
         0,
         0,
         kMachine},
        {"controller run",
         "",
         "run the controller alone in the foreground",
         {{"--listen", "", "HOST:PORT", "where the panel listens, 127.0.0.1:6880"},
          {"--allow-remote", "", "", "listen where other machines reach it; there is no TLS yet"},
          {"--panel-dir", "", "DIR", "serve the panel from a folder, to work on it"}},
         0,
         0,
         kMachine},
        {"controller add-user",
         "NAME",
         "a new user of the panel; the password is asked for or read from stdin",
         {{"--role", "", "ROLE", "admin, operator or viewer (default)"}},
         1,
         1,
         kMachine},
        {"controller add-agent",
         "NAME",
         "an agent on another machine",
         {{"--endpoint", "", "URL", "tcp://HOST:PORT where it listens"},
          {"--key", "", "KEY", "its public key"}},
         1,
         1,
         kMachine},
        {"controller remove-agent",
         "NAME",
         "forget an agent on another machine",
         {},
         1,
         1,
         kMachine},
        {"controller public-key", "", "the key that `agent authorize` wants", {}, 0, 0, kMachine},
        {"home", "", "where Berth keeps everything", {}, 0, 0, kMachine},
        {"doctor", "", "check this machine and home, and say what to do", {}, 0, 0, kMachine},

        {"completion", "SHELL", "a completion script for bash, zsh or fish", {}, 1, 1, kShell},
        {"help", "[COMMAND]", "this overview, or the help of one command", {}, 0, 2, kShell},
        {"man", "", "the manual page: berth man | man -l -", {}, 0, 0, kShell},
        {"version", "", "which Berth this is", {}, 0, 0, kShell},
    };
}

}  // namespace

const std::vector<Command>& commands() {
    static const std::vector<Command> table = make_commands();
    return table;
}

const std::vector<Option>& global_options() {
    static const std::vector<Option> table = {
        {"--home", "", "DIR", "where everything is kept, $BERTH_HOME"},
        {"--agent", "", "NAME", "which agent below the home; apps of others are AGENT/ID"},
        {"--json", "", "", "one JSON document on stdout"},
        {"--no-color", "", "", "no colours, as with $NO_COLOR"},
        {"--help", "-h", "", "the help of a command"},
    };
    return table;
}

const Command* find(std::string_view name) {
    for (const Command& command : commands()) {
        if (command.name == name) {
            return &command;
        }
    }
    return nullptr;
}

}  // namespace berth::command
