#include <unistd.h>

#include <algorithm>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "shared/json/app_json.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/wire/status.h"

namespace berth::cli {

using wire::Value;

namespace {

constexpr Duration kAnswerMargin = std::chrono::seconds(10);

int report_unmatched(const std::vector<std::string>& unmatched) {
    for (const std::string& pattern : unmatched) {
        print_error("no app matches \"" + pattern + "\"");
    }
    return unmatched.empty() ? kDone : kNothing;
}

int report_silent(const Listing& listing) {
    for (const std::string& problem : listing.problems) {
        print_error(problem);
    }
    int code = kDone;
    for (const Error& error : listing.silent) {
        code = report(error);
    }
    return code;
}

WallTime wall_now() {
    return read_clocks().wall;
}

}  // namespace

int run_list(Session& session) {
    const auto listing = list_apps(session, session.arguments.words, 0, Silent::IsTold);
    if (!listing) {
        return report(listing.error());
    }
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_array();
        for (const AppStatus& app : listing->apps) {
            json.begin_object();
            json::write_app_members(json, app);
            json.end_object();
        }
        json.end_array();
        print_json(json);
    } else if (listing->apps.empty() && session.arguments.words.empty()) {
        print_error("no apps yet; register one with: berth load PATH");
    } else if (!listing->apps.empty()) {
        std::vector<std::vector<std::string>> rows = {list_header()};
        for (const AppStatus& app : listing->apps) {
            rows.push_back(list_row(session.style, app, wall_now()));
        }
        print(table(rows));
    }
    const bool nothing = listing->apps.empty() && !listing->unmatched.empty();
    (void)report_unmatched(listing->unmatched);
    const int silent = report_silent(*listing);
    return silent != kDone ? silent : nothing ? kNothing : kDone;
}

int run_status(Session& session) {
    const auto count = parse_count(session.arguments.get("--lines", "5"));
    if (!count) {
        return report(count.error());
    }
    const auto listing = list_apps(session, session.arguments.words, *count, Silent::IsTold);
    if (!listing) {
        return report(listing.error());
    }
    json::JsonWriter json;
    json.begin_array();
    for (const AppStatus& app : listing->apps) {
        const auto tail = listing->tails.find(app.agent + "/" + app.id);
        const std::vector<wire::LogLine> lines =
            tail != listing->tails.end() ? tail->second : std::vector<wire::LogLine>();
        if (session.style.json) {
            json.begin_object();
            json::write_app_members(json, app);
            json.key("lines").begin_array();
            for (const wire::LogLine& line : lines) {
                json.value(line.text);
            }
            json.end_array().end_object();
        } else {
            print(status_block(session.style, app, wall_now()) + "\n" + joined_text(lines) + "\n");
        }
    }
    json.end_array();
    if (session.style.json) {
        print_json(json);
    }
    const int unmatched = report_unmatched(listing->unmatched);
    const int silent = report_silent(*listing);
    return silent != kDone ? silent : listing->apps.empty() ? unmatched : kDone;
}

namespace {

struct VerbOutcome {
    std::vector<std::pair<std::string, wire::ActResult>> results;  // with the agent
    std::vector<std::string> unmatched;
};

Result<VerbOutcome> act(Session& session, Duration timeout) {
    VerbOutcome outcome;
    const std::string verb(session.arguments.command->name);
    for (const auto& [agent, patterns] : by_agent(session, session.arguments.words)) {
        BERTH_TRY(Client * client, session.client(agent));
        const WallTime deadline = wall_now() + timeout;
        auto answer = client->ask(
            "act",
            Value::Map{{"verb", verb},
                       {"patterns", wire::strings(patterns)},
                       {"actor", session.actor},
                       {"wait", !session.arguments.has("--no-wait")},
                       {"deadline_ns", wire::to_value(deadline)},
                       {"timeout_ms", std::int64_t{timeout / std::chrono::milliseconds(1)}}},
            timeout + kAnswerMargin);
        if (!answer && answer.error().code == ErrorCode::TimedOut) {
            answer.error().message += "; whether it does what was asked is not known";
        }
        BERTH_TRY(const Value info, answer);
        for (const Value& result : info["results"].as_array()) {
            outcome.results.emplace_back(agent, wire::to_act_result(result));
        }
        for (const std::string& pattern : info["unmatched"].as_strings()) {
            outcome.unmatched.push_back(pattern);
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

}  // namespace

int run_verb(Session& session) {
    const auto timeout = parse_duration(session.arguments.get("--timeout", "30s"));
    if (!timeout) {
        return report(timeout.error());
    }
    const auto outcome = act(session, *timeout);
    if (!outcome) {
        return report(outcome.error());
    }
    const std::string verb(session.arguments.command->name);
    json::JsonWriter json;
    json.begin_array();
    bool all_ok = true;
    for (const auto& [agent, result] : outcome->results) {
        all_ok = all_ok && result.ok;
        const std::string id = agent == "default" ? result.id : agent + "/" + result.id;
        if (session.style.json) {
            json.begin_object().field("id", result.id).field("agent", agent).field("ok", result.ok);
            json.field("state", kAppStateNames.name(result.state));
            json.field("error", result.ok ? std::optional<std::string>() : result.message);
            json.end_object();
        } else if (result.ok) {
            const bool asked_only = session.arguments.has("--no-wait");
            print(id + ": " + (asked_only ? "asked to " + verb : past_tense(verb)) +
                  (result.message.empty() ? "" : ", " + result.message) + "\n");
        } else {
            print_error(id + ": " + result.message);
        }
    }
    json.end_array();
    if (session.style.json) {
        print_json(json);
    }
    const int unmatched = report_unmatched(outcome->unmatched);
    if (outcome->results.empty()) {
        return unmatched;
    }
    return all_ok && unmatched == kDone ? kDone : kFailed;
}

int run_load(Session& session) {
    std::vector<std::string> paths;
    for (const std::string& path : session.arguments.words) {
        paths.push_back(os::absolute_path(path));
    }
    const auto cwd = os::current_folder();
    if (!cwd) {
        return report(cwd.error());
    }
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        environment.emplace_back(*entry);
    }
    const auto client = session.client(session.agent);
    const auto info = client
                          ? (*client)->ask("load",
                                           Value::Map{{"paths", wire::strings(paths)},
                                                      {"cwd", *cwd},
                                                      {"environment", wire::strings(environment)},
                                                      {"actor", session.actor}})
                          : Result<Value>(fail(client.error()));
    if (!info) {
        return report(info.error());
    }
    const auto problems = (*info)["problems"].as_strings();
    const auto loaded = (*info)["loaded"].as_strings();
    for (const std::string& warning : (*info)["warnings"].as_strings()) {
        print_error("warning: " + warning);
    }
    for (const std::string& problem : problems) {
        print_error(problem);
    }
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("loaded", loaded).field("problems", problems).end_object();
        print_json(json);
    } else if (problems.empty()) {
        std::string names;
        for (const std::string& id : loaded) {
            names += (names.empty() ? "" : " ") + id;
        }
        print("loaded " + std::to_string(loaded.size()) +
              (loaded.size() == 1 ? " app: " : " apps: ") + names + "\n");
    } else {
        print_error("nothing was loaded");
    }
    return problems.empty() ? kDone : kFailed;
}

int run_scan(Session& session) {
    const auto client = session.client(session.agent);
    const auto info =
        client ? (*client)->ask("scan", Value::Map{}) : Result<Value>(fail(client.error()));
    if (!info) {
        return report(info.error());
    }
    const auto found = (*info)["found"].as_strings();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("found", found).end_object();
        print_json(json);
        return kDone;
    }
    for (const std::string& id : found) {
        print("found " + id + "\n");
    }
    if (found.empty()) {
        print("found nothing new below " + session.agent_home(session.agent) + "/repos\n");
    }
    return kDone;
}

int run_is_state(Session& session) {
    const auto listing = list_apps(session, session.arguments.words, 0);
    if (!listing) {
        return exit_code_of(listing.error());
    }
    if (listing->apps.empty()) {
        return kNothing;
    }
    const bool failed = session.arguments.command->name == "is-failed";
    const bool any =
        std::any_of(listing->apps.begin(), listing->apps.end(), [failed](const AppStatus& app) {
            return failed ? app.state == AppState::Failed : is_active(app.state);
        });
    return any ? kDone : kFailed;
}

int run_explain(Session& session) {
    const auto app = one_app(session, session.arguments.words.front());
    if (!app) {
        return report(app.error());
    }
    const auto client = session.client(app->agent);
    const auto info = client ? (*client)->ask("explain", Value::Map{{"id", app->id}})
                             : Result<Value>(fail(client.error()));
    if (!info) {
        return report(info.error());
    }
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("id", app->id);
        for (const char* key : {"state", "cause", "since", "actor", "next"}) {
            json.field(key, (*info)[key].as_string());
        }
        json.field("evidence", (*info)["evidence"].as_strings());
        json.field("lines", (*info)["lines"].as_strings());
        json.field("explanation", (*info)["text"].as_string()).end_object();
        print_json(json);
    } else {
        print((*info)["text"].as_string() + "\n");
    }
    return kDone;
}

}  // namespace berth::cli
