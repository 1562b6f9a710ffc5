#include <unistd.h>

#include <algorithm>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "shared/base/text.h"
#include "shared/json/app_json.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/wire/status.h"

namespace berth::cli {

using wire::Value;

namespace {

constexpr std::size_t kFew = 10;  // apps that are named without being asked for

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

// "loaded 3 apps: a b c"; of many the number alone, unless -v asks for a line each.
std::string counted(const Session& session,
                    const std::string& what,
                    const std::vector<std::string>& ids) {
    const std::string count =
        what + " " + std::to_string(ids.size()) + (ids.size() == 1 ? " app" : " apps");
    if (session.arguments.has("--verbose")) {
        return count + ":\n" + join(ids, "\n") + "\n";
    }
    return ids.size() > kFew ? count + "; -v names them\n" : count + ": " + join(ids, " ") + "\n";
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
        print(table(rows, list_fit(session.style)));
    }
    for (const AppStatus& app : listing->apps) {
        for (const std::string& note : {app.descriptor_note, app.log_note}) {
            if (!note.empty()) {
                print_error(shown_id(app) + ": " + note);
            }
        }
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
                json.value(wire::shown_text(line));
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
        print(counted(session, "loaded", loaded));
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
    const auto problems = (*info)["problems"].as_strings();
    for (const std::string& problem : problems) {
        print_error(problem);
    }
    const int code = problems.empty() ? kDone : kFailed;
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("found", found).field("problems", problems).end_object();
        print_json(json);
        return code;
    }
    if (!found.empty()) {
        print(counted(session, "found", found));
    } else {
        print("found nothing new below " + session.agent_home(session.agent) + "/repos\n");
    }
    return code;
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
    const Explanation why = wire::to_explanation(*info);
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("id", app->id);
        json::write_explanation_members(json, why);
        json.end_object();
        print_json(json);
    } else {
        print(why.text(local_time(why.since) + ", " + elapsed_text(wall_now() - why.since)) + "\n");
    }
    return kDone;
}

}  // namespace berth::cli
