#include <signal.h>
#include <unistd.h>

#include <iostream>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "agent/cli/terminal.h"
#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/wire/status.h"

// start, stop, restart, kill, reload, clean: asks the agents and waits for the outcome, which is
// told also when somebody interrupts that or the agent is killed meanwhile.

namespace berth::cli {

using wire::Value;

namespace {

constexpr Duration kAnswerMargin = std::chrono::seconds(10);
constexpr Duration kForEver = std::chrono::hours(24 * 365);
constexpr Duration kStartWithin = std::chrono::seconds(30);  // later the agent does not begin
constexpr std::size_t kMostNamed = 20;
constexpr int kMostLosses = 20;  // of the agent, while one command waits

struct VerbOutcome {
    std::vector<std::pair<std::string, wire::ActResult>> results;  // with the agent
    std::vector<std::string> unmatched;
    std::vector<std::string> to_confirm;  // AGENT/ID: they would be lost, and nobody named them
};

// Ctrl-C ends the waiting, not what was asked for.
class Interrupt {
public:
    Result<void> begin(loop::EventLoop& loop) {
        BERTH_TRY(signals_, os::make_signalfd({SIGINT}));
        watch_ = loop.watch(signals_.get(), loop::Interest::Read, [this](bool, bool) {
            while (os::next_signal(signals_.get())) {
                came_ = true;
            }
        });
        return {};
    }

    [[nodiscard]] const bool& came() const { return came_; }

    // Ends this process as Ctrl-C does, so that a shell's script ends with it.
    [[noreturn]] void end() {
        watch_.reset();
        end_by_signal(SIGINT);
    }

private:
    os::UniqueFd signals_;
    loop::Registration watch_;
    bool came_ = false;
};

Value::Map act_args(const Session& session, const std::vector<std::string>& patterns) {
    const Arguments& given = session.arguments;
    const WallTime now = read_clocks().wall;
    return {{"verb", std::string(given.command->name)},
            {"patterns", wire::strings(patterns)},
            {"actor", session.actor},
            {"wait", !given.has("--no-wait")},
            {"if_needed", given.has("--if-needed")},
            {"reload", given.has("--reload")},
            {"confirmed", given.has("--yes")},
            {"deadline_ns", wire::to_value(now + kStartWithin)}};
}

// Asks one agent. When that is killed while it is waited for, the next one says what has come of
// it.
Result<Value> ask(Session& session,
                  const std::string& agent,
                  Value::Map args,
                  const Duration* timeout,
                  const bool& interrupted) {
    const WallTime began = read_clocks().wall;
    if (timeout != nullptr) {
        args.emplace_back("timeout_ms", std::int64_t{*timeout / std::chrono::milliseconds(1)});
    }
    for (int losses = 0;; ++losses) {
        BERTH_TRY(Client * client, session.client(agent));
        auto answer = client->ask(
            "act", args, timeout != nullptr ? *timeout + kAnswerMargin : kForEver, &interrupted);
        if (answer || interrupted) {
            return answer;
        }
        if (answer.error().code == ErrorCode::TimedOut) {
            answer.error().message += "; whether it does what was asked is not known";
        }
        if (!client->lost() || losses >= kMostLosses) {
            return answer;
        }
        session.forget_client(agent);
        if (losses == 0) {
            args.emplace_back("since_ns", wire::to_value(began));
        }
        std::erase_if(args, [](const auto& member) { return member.first == "deadline_ns"; });
    }
}

Result<VerbOutcome> act(Session& session, const Duration* timeout, const bool& interrupted) {
    VerbOutcome outcome;
    for (const auto& [agent, patterns] : by_agent(session, session.arguments.words)) {
        BERTH_TRY(const Value info,
                  ask(session, agent, act_args(session, patterns), timeout, interrupted));
        for (const Value& result : info["results"].as_array()) {
            outcome.results.emplace_back(agent, wire::to_act_result(result));
        }
        for (const std::string& pattern : info["unmatched"].as_strings()) {
            outcome.unmatched.push_back(pattern);
        }
        for (const std::string& id : info["confirm"].as_strings()) {
            outcome.to_confirm.push_back(agent == "default" ? id : agent + "/" + id);
        }
    }
    return outcome;
}

std::string past_tense(std::string_view verb) {
    if (verb == "stop") {
        return "stopped";
    }
    return std::string(verb) + "ed";
}

// "web: started, exited 0 after 2 s"
std::string done_text(const Session& session, const wire::ActResult& result) {
    const std::string verb(session.arguments.command->name);
    const bool so_already = result.message.starts_with("was ");
    const bool asked_only =
        session.arguments.has("--no-wait") && result.message.empty() && verb != "start";
    const std::string done = asked_only ? "asked to " + verb : past_tense(verb);
    return so_already               ? result.message
           : result.message.empty() ? done
                                    : done + ", " + result.message;
}

void say_interrupted(Session& session) {
    print_error("not waiting any more; what was asked for goes on");
    const auto listing = list_apps(session, session.arguments.words, 0);
    if (!listing) {
        return;
    }
    for (const AppStatus& app : listing->apps) {
        print_error(shown_id(app) + " is " + std::string(kAppStateNames.name(app.state)) + ": " +
                    app.reason);
    }
}

// Whether somebody at a terminal agrees to losing these.
bool agreed(const Session& session, const std::vector<std::string>& ids) {
    const std::size_t shown =
        session.arguments.has("--verbose") || ids.size() <= kMostNamed ? ids.size() : kMostNamed;
    std::string text = std::string(session.arguments.command->name) + " forgets these " +
                       std::to_string(ids.size()) + " apps with their logs and history:\n";
    for (std::size_t i = 0; i < shown; ++i) {
        text += "  " + ids[i] + "\n";
    }
    text += shown < ids.size()
                ? "  and " + std::to_string(ids.size() - shown) + " more; -v names them\n"
                : "";
    print_error(text + "go on? [y/N]");
    std::string answer;
    return std::getline(std::cin, answer) && (answer == "y" || answer == "yes");
}

int refuse_unconfirmed(const Session& session, const std::vector<std::string>& ids) {
    print_error(std::string(session.arguments.command->name) + " of " + std::to_string(ids.size()) +
                " apps that no word names as they are (" + some_of(ids) +
                ") loses their logs: --yes says that it is meant");
    return kUsage;
}

int show(const Session& session, const VerbOutcome& outcome) {
    json::JsonWriter json;
    json.begin_array();
    bool all_ok = true;
    // Whoever reads it on a terminal wants to know what went wrong, not 500 times that it did not.
    const bool only_counts = session.style.width > 0 && outcome.results.size() > kMostNamed &&
                             !session.arguments.has("--verbose");
    std::size_t done = 0;
    for (const auto& [agent, result] : outcome.results) {
        all_ok = all_ok && result.ok;
        const std::string id = agent == "default" ? result.id : agent + "/" + result.id;
        if (!result.note.empty()) {
            print_error(id + ": " + result.note);
        }
        if (session.style.json) {
            json.begin_object().field("id", result.id).field("agent", agent).field("ok", result.ok);
            json.field("state", kAppStateNames.name(result.state));
            json.field("exit_code", result.exit_code);
            json.field("message", result.message).field("note", result.note);
            json.field("error", result.ok ? std::optional<std::string>() : result.message);
            json.field("lines", result.lines).end_object();
        } else if (result.ok && only_counts) {
            ++done;
        } else if (result.ok) {
            print(id + ": " + done_text(session, result) + "\n");
        } else {
            std::string text = id + ": " + result.message;
            if (!result.lines.empty()) {
                text += "; last lines:";
                for (const std::string& line : result.lines) {
                    text += "\n  " + printable(line);
                }
            }
            print_error(text);
        }
    }
    json.end_array();
    if (session.style.json) {
        print_json(json);
    } else if (only_counts) {
        const std::string verb(session.arguments.command->name);
        print((session.arguments.has("--no-wait") ? "asked to " + verb + " "
                                                  : past_tense(verb) + " ") +
              std::to_string(done) + " of " + std::to_string(outcome.results.size()) +
              " apps; -v names them\n");
    }
    const int unmatched = report_unmatched(outcome.unmatched);
    if (outcome.results.empty()) {
        return unmatched;
    }
    return all_ok && unmatched == kDone ? kDone : kFailed;
}

}  // namespace

int run_verb(Session& session) {
    std::optional<Duration> timeout;
    if (session.arguments.has("--timeout")) {
        const auto given = parse_duration(session.arguments.get("--timeout"));
        if (!given) {
            return report(given.error());
        }
        timeout = *given;
    }
    Interrupt interrupt;
    if (auto begun = interrupt.begin(*session.loop); !begun) {
        return report(begun.error());
    }
    const Duration* const limit = timeout ? &*timeout : nullptr;
    auto outcome = act(session, limit, interrupt.came());
    if (outcome && !outcome->to_confirm.empty()) {
        if (session.style.json || ::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
            return refuse_unconfirmed(session, outcome->to_confirm);
        }
        if (!agreed(session, outcome->to_confirm)) {
            print_error("nothing was done");
            return kFailed;
        }
        session.arguments.line.set("--yes", "");
        outcome = act(session, limit, interrupt.came());
    }
    if (interrupt.came()) {
        say_interrupted(session);
        interrupt.end();
    }
    return outcome ? show(session, *outcome) : report(outcome.error());
}

}  // namespace berth::cli
