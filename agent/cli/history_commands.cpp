#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "agent/cli/terminal.h"
#include "shared/base/terminal_text.h"
#include "shared/base/text.h"
#include "shared/json/app_json.h"
#include "shared/json/json_value.h"
#include "shared/os/fd.h"
#include "shared/wire/status.h"

// Commands about what has happened to apps and what would: history, crashes, check, scale, top.

namespace berth::cli {

using wire::Value;

namespace {

Result<Value> ask(Session& session,
                  const std::string& agent,
                  const std::string& verb,
                  Value::Map args) {
    BERTH_TRY(Client * client, session.client(agent));
    return client->ask(verb, std::move(args));
}

std::string time_text(const Value& value) {
    return rfc3339_utc(wire::to_wall_time(value), 3);
}

std::vector<std::string> run_row(const Value& run) {
    const WallTime started = wire::to_wall_time(run["started"]);
    const WallTime ended = wire::to_wall_time(run["ended"]);
    const std::string code =
        run["exit_code"].is_nil() ? std::string("-") : std::to_string(run["exit_code"].as_int());
    return {std::to_string(run["generation"].as_uint()),
            local_time(started),
            short_duration(ended - started),
            code,
            run["how"].as_string()};
}

void write_run(json::JsonWriter& json, const Value& run) {
    json.begin_object().field("generation", run["generation"].as_uint());
    json.field("started", time_text(run["started"])).field("ended", time_text(run["ended"]));
    json.field(
        "exit_code",
        run["exit_code"].is_nil() ? std::optional<std::int64_t>() : run["exit_code"].as_int());
    json.field("how", run["how"].as_string()).end_object();
}

}  // namespace

int run_history(Session& session) {
    const auto count = parse_count(session.arguments.get("--lines", "20"));
    const auto app = one_app(session, session.arguments.words.front());
    if (!count || !app) {
        return report(count ? app.error() : count.error());
    }
    const auto info =
        ask(session, app->agent, "show", {{"id", app->id}, {"runs", std::uint64_t{*count}}});
    if (!info) {
        return report(info.error());
    }
    const auto& runs = (*info)["runs"].as_array();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_array();
        for (const Value& run : runs) {
            write_run(json, run);
        }
        json.end_array();
        print_json(json);
        return kDone;
    }
    if (runs.empty()) {
        print_error(app->id + " has not ended yet");
        return kDone;
    }
    std::vector<std::vector<std::string>> rows = {{"RUN", "STARTED", "RAN", "EXIT", "HOW"}};
    for (const Value& run : runs) {
        rows.push_back(run_row(run));
    }
    print(table(rows, {session.style.width, {4}, {}}));
    return kDone;
}

namespace {

void print_bundle(const Value& crash) {
    const std::string& text = crash["bundle"].as_string();
    print("run " + std::to_string(crash["generation"].as_uint()) + ", " +
          local_time(wire::to_wall_time(crash["time"])) + ": " + crash["how"].as_string() + "\n");
    const auto bundle = json::parse_json(text);
    const json::JsonValue* const lines = bundle ? bundle->find("lines") : nullptr;
    for (const json::JsonValue& line :
         lines != nullptr ? lines->items() : std::vector<json::JsonValue>()) {
        const bool is_stderr = line.get<std::string>("stream").value_or("") == "stderr";
        print(std::string(is_stderr ? "  err " : "      ") +
              line.get<std::string>("text").value_or("") + "\n");
    }
    print("\n");
}

void write_crashes(json::JsonWriter& json, const Value& info) {
    json.begin_object().key("groups").begin_array();
    for (const Value& group : info["groups"].as_array()) {
        json.begin_object().field("app", group["app"].as_string());
        json.field("signature", group["signature"].as_string());
        json.field("how", group["how"].as_string()).field("count", group["count"].as_uint());
        json.field("first", time_text(group["first"])).field("last", time_text(group["last"]));
        json.field("generation", group["generation"].as_uint()).end_object();
    }
    json.end_array().key("crashes").begin_array();
    for (const Value& crash : info["crashes"].as_array()) {
        json.begin_object().field("generation", crash["generation"].as_uint());
        json.field("time", time_text(crash["time"]));
        json.field("signature", crash["signature"].as_string());
        json.field("how", crash["how"].as_string());
        json.key("bundle").raw(crash["bundle"].as_string()).end_object();
    }
    json.end_array().end_object();
}

}  // namespace

int run_crashes(Session& session) {
    std::string agent = session.agent;
    std::string id;
    if (!session.arguments.words.empty()) {
        const auto app = one_app(session, session.arguments.words.front());
        if (!app) {
            return report(app.error());
        }
        agent = app->agent;
        id = app->id;
    }
    const auto count = parse_count(session.arguments.get("--last", id.empty() ? "0" : "1"));
    if (!count) {
        return report(count.error());
    }
    const auto info =
        ask(session, agent, "crashes", {{"id", id}, {"limit", std::uint64_t{*count}}});
    if (!info) {
        return report(info.error());
    }
    if (session.style.json) {
        json::JsonWriter json;
        write_crashes(json, *info);
        print_json(json);
        return kDone;
    }
    const auto& groups = (*info)["groups"].as_array();
    if (groups.empty()) {
        print_error(id.empty() ? "no app has crashed" : id + " has not crashed");
        return kDone;
    }
    std::vector<std::vector<std::string>> rows = {{"APP", "TIMES", "FIRST", "LAST", "WHAT"}};
    for (const Value& group : groups) {
        rows.push_back({group["app"].as_string(),
                        std::to_string(group["count"].as_uint()),
                        local_time(wire::to_wall_time(group["first"])),
                        local_time(wire::to_wall_time(group["last"])),
                        group["signature"].as_string()});
    }
    print(table(rows, {session.style.width, {4, 0}, {2}}));
    for (const Value& crash : (*info)["crashes"].as_array()) {
        print("\n");
        print_bundle(crash);
    }
    return kDone;
}

int run_check(Session& session) {
    constexpr std::size_t kMostNamed = 20;
    bool good = true;
    std::vector<std::string> free;  // ids, of those that nothing stands in the way of
    std::vector<std::string> unmatched;
    json::JsonWriter json;
    json.begin_object();
    for (const auto& [agent, patterns] : by_agent(session, session.arguments.words)) {
        const auto info = ask(session, agent, "check", {{"patterns", wire::strings(patterns)}});
        if (!info) {
            return report(info.error());
        }
        for (const auto& [id, obstacles] : (*info)["apps"].as_map()) {
            const auto texts = obstacles.as_strings();
            for (const std::string& note : (*info)["notes"][id].as_strings()) {
                print_error(id + ": " + note);
            }
            good = good && texts.empty();
            json.field(id, texts);
            for (const std::string& text :
                 session.style.json ? std::vector<std::string>() : texts) {
                print_error(id + ": " + text);
            }
            if (texts.empty() && !session.style.json) {
                free.push_back(id);
            }
        }
        const auto missing = (*info)["unmatched"].as_strings();
        unmatched.insert(unmatched.end(), missing.begin(), missing.end());
    }
    json.end_object();
    if (session.style.json) {
        print_json(json);
    } else if (session.style.width > 0 && free.size() > kMostNamed) {
        print(std::to_string(free.size()) + " apps: nothing stands in their way\n");
    } else {
        for (const std::string& id : free) {
            print(id + ": nothing stands in its way\n");
        }
    }
    for (const std::string& pattern : unmatched) {
        print_error("no app matches \"" + pattern + "\"");
    }
    return !unmatched.empty() ? kNothing : good ? kDone : kFailed;
}

int run_scale(Session& session) {
    const std::string& id = session.arguments.words.front();
    const auto count = parse_count(session.arguments.words.back());
    if (!count) {
        return report(count.error());
    }
    const auto info = ask(session,
                          session.agent,
                          "scale",
                          {{"id", id}, {"count", std::uint64_t{*count}}, {"actor", session.actor}});
    if (!info) {
        return report(info.error());
    }
    const auto changed = (*info)["changed"].as_strings();
    if (session.style.json) {
        json::JsonWriter json;
        json.begin_object().field("id", id).field("count", *count).field("changed", changed);
        json.end_object();
        print_json(json);
        return kDone;
    }
    print(id + " has " + std::to_string(*count) + (*count == 1 ? " instance" : " instances") +
          (changed.empty() ? ", as before" : ": " + some_of(changed)) + "\n");
    return kDone;
}

namespace {

std::string each_line_cut(const std::string& text, std::size_t width) {
    std::string kept;
    for (const std::string_view line : split(text, '\n')) {
        kept += (kept.empty() ? "" : "\n") + cut_to(std::string(line), width);
    }
    return kept;
}

void draw(Session& session, std::vector<AppStatus> apps, bool whole_screen) {
    std::stable_sort(apps.begin(), apps.end(), [](const AppStatus& a, const AppStatus& b) {
        return a.cpu_percent.value_or(-1) > b.cpu_percent.value_or(-1);
    });
    const WallTime now = read_clocks().wall;
    std::vector<std::vector<std::string>> rows = {list_header()};
    double cpu = 0;
    std::uint64_t memory = 0;
    std::size_t running = 0;
    for (const AppStatus& app : apps) {
        cpu += app.cpu_percent.value_or(0);
        memory += app.rss_bytes.value_or(0);
        running += is_active(app.state) ? 1 : 0;
        rows.push_back(list_row(session.style, app, now));
    }
    char total[64] = {};
    (void)std::snprintf(total, sizeof total, "%.1f%%", cpu);  // fits: a sum of percentages
    if (whole_screen) {
        // A line that is wrapped, or a last one that ends, would scroll the first out of sight.
        const std::size_t room = std::max<std::size_t>(terminal_size().first, 3) - 2;
        if (rows.size() > room) {
            rows.resize(room);
        }
    }
    std::string picture = std::to_string(apps.size()) + " apps, " + std::to_string(running) +
                          " active, CPU " + total + ", memory " + size_text(memory) + "\n" +
                          table(rows, list_fit(session.style));
    if (whole_screen) {
        picture = each_line_cut(safe_for_terminal(picture), session.style.width);
        // Raw: a newline alone does not lead back to the first column.
        for (std::size_t at = picture.find('\n'); at != std::string::npos;
             at = picture.find('\n', at + 2)) {
            picture.replace(at, 1, "\r\n");
        }
        picture.insert(0, "\x1b[H\x1b[2J");
        print_bytes(picture);
    } else {
        print(picture);
    }
    (void)std::fflush(stdout);
}

// Waits until the next picture is due, or the window has another size. False: somebody wants out.
bool wait_for_key(int milliseconds, int resized) {
    std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {resized, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), milliseconds) <= 0) {
        return true;
    }
    while (os::next_signal(resized)) {
    }
    if (watched[0].revents == 0) {
        return true;
    }
    char key = 0;
    return ::read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != '\x03' && key != '\x1b';
}

}  // namespace

int run_top(Session& session) {
    const bool live = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
    const auto interval = parse_duration(session.arguments.get("--interval", "2s"));
    if (!interval) {
        return report(interval.error());
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*interval).count();
    std::optional<RawTerminal> raw;
    const auto resized = os::make_signalfd({SIGWINCH});
    if (!resized) {
        return report(resized.error());
    }
    if (live) {
        raw.emplace(RawTerminal::Mode::Raw);
    }
    for (;;) {
        auto listing = list_apps(session, session.arguments.words, 0);
        if (!listing) {
            raw.reset();
            return report(listing.error());
        }
        session.style.width = output_width();
        draw(session, std::move(listing->apps), live);
        if (!live || !wait_for_key(static_cast<int>(std::clamp<std::int64_t>(ms, 100, 60'000)),
                                   resized->get())) {
            return kDone;
        }
    }
}

}  // namespace berth::cli
