#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "agent/cli/commands.h"
#include "agent/cli/durations.h"
#include "agent/cli/instance.h"
#include "agent/cli/terminal.h"
#include "agent/cli/terminal_modes.h"
#include "shared/base/text.h"
#include "shared/os/fd.h"
#include "shared/wire/line_joiner.h"
#include "shared/wire/status.h"

namespace berth::cli {

using wire::Value;

namespace {

constexpr std::int64_t kFollowWaitMs = 25'000;
constexpr Duration kNextAgent = std::chrono::seconds(30);  // to begin

// One app whose log is read on and on by long polls.
struct Follow {
    AppStatus app;
    Client* client = nullptr;
    wire::LogPosition position;
    std::optional<wire::LineJoiner> joiner;  // of text, unless the agent gives whole lines
    bool over = false;                       // what comes yet is not wanted
};

struct LogView {
    bool json = false;
    bool timestamps = false;
    bool prefix = false;  // more than one app
    bool raw = false;     // also on a terminal
    bool whole = false;   // the agent gives whole lines
    wire::LineJoiner::Show show = wire::LineJoiner::Show::Whole;
    Value::Map filters;
    TerminalModes* modes = nullptr;  // gets to know what is printed; null: nobody does
};

void print_text(const LogView& view, const std::string& text) {
    if (view.modes != nullptr) {
        view.modes->take(text);
    }
    view.raw ? print_bytes(text) : print(text);
}

void print_lines(const LogView& view, Follow& follow, const std::vector<wire::LogLine>& lines) {
    if (!view.json) {
        if (!follow.joiner) {
            follow.joiner.emplace(view.show, [&view, &follow](WallTime time) {
                return (view.timestamps ? local_time(time) + " " : "") +
                       (view.prefix ? shown_id(follow.app) + " | " : "");
            });
        }
        print_text(view, follow.joiner->take(lines));
        (void)std::fflush(stdout);
        return;
    }
    for (const wire::LogLine& line : lines) {
        json::JsonWriter json;
        json.begin_object().field("app", follow.app.id).field("agent", follow.app.agent);
        json.field("time", rfc3339_utc(line.time))
            .field("stream", line.is_stderr ? "stderr" : "stdout");
        json.field("text", wire::shown_text(line)).field("partial", line.partial).end_object();
        print(json.take() + "\n");
    }
    (void)std::fflush(stdout);
}

// What is not finished, when no more is read.
void print_end(const LogView& view, Follow& follow) {
    if (follow.joiner) {
        print_text(view, follow.joiner->end());
        (void)std::fflush(stdout);
    }
}

Value::Map with(Value::Map base, Value::Map more) {
    base.insert(base.end(), more.begin(), more.end());
    return base;
}

// Reads the log on, and again when that is answered.
void follow_on(const LogView& view, Follow& follow, std::optional<Error>& failure) {
    Value::Map args = with(view.filters,
                           {{"id", follow.app.id},
                            {"position", wire::to_value(follow.position)},
                            {"wait_ms", kFollowWaitMs}});
    follow.client->send("logs", std::move(args), [&view, &follow, &failure](Result<Value> info) {
        if (follow.over) {
            return;
        }
        if (!info) {
            failure = info.error();
            return;
        }
        const wire::LogBatch batch = wire::to_log_batch(*info);
        if (batch.skipped_bytes > 0) {
            print_error(shown_id(follow.app) + ": lines were rotated away before they were read");
        }
        print_lines(view, follow, batch.lines);
        follow.position = batch.next;
        follow_on(view, follow, failure);
    });
}

// Tells when an agent of this home ends: nobody answers then what it was asked.
class AgentEnd {
public:
    // `ended` once.
    static std::unique_ptr<AgentEnd> watch(Session& session,
                                           const std::string& agent,
                                           std::function<void()> ended) {
        auto watched = std::make_unique<AgentEnd>();
        auto end = watch_end(agent_service(session.agent_home(agent)));
        if (!end) {
            return watched;  // of another machine: its controller says so
        }
        watched->end_ = std::move(*end);
        watched->watch_ =
            session.loop->watch(watched->end_.get(),
                                loop::Interest::Read,
                                [watched = watched.get(), ended = std::move(ended)](bool, bool) {
                                    const auto told = ended;
                                    watched->watch_.reset();
                                    told();
                                });
        return watched;
    }

private:
    os::UniqueFd end_;
    loop::Registration watch_;
};

Result<LogView> view_of(const Session& session, std::size_t apps) {
    LogView view;
    view.json = session.style.json;
    view.timestamps = session.arguments.has("--timestamps");
    view.prefix = apps > 1;
    view.raw = session.arguments.has("--raw");
    if (view.json || session.arguments.has("--grep")) {
        view.filters.emplace_back("whole", true);
        view.whole = true;
    } else if (session.arguments.has("--follow") && ::isatty(STDOUT_FILENO) != 0) {
        view.show = wire::LineJoiner::Show::Soon;
    }
    if (session.arguments.has("--grep")) {
        view.filters.emplace_back("grep", session.arguments.get("--grep"));
    }
    if (session.arguments.has("--stream")) {
        view.filters.emplace_back("stream", session.arguments.get("--stream"));
    }
    for (const auto& [option, name] : {std::pair{"--since", "since_ns"}, {"--until", "until_ns"}}) {
        if (session.arguments.has(option)) {
            BERTH_TRY(const WallTime moment,
                      parse_moment(session.arguments.get(option), read_clocks().wall));
            view.filters.emplace_back(name, wire::to_value(moment));
        }
    }
    if (session.arguments.has("--until") && session.arguments.has("--follow")) {
        return fail(ErrorCode::InvalidArgument,
                    "--until and --follow do not go together: what comes now is later");
    }
    return view;
}

// What is there already: the last lines, or all since a time.
Result<void> print_past(const Session& session, const LogView& view, Follow& follow) {
    const bool all = session.arguments.has("--since") && !session.arguments.has("--lines");
    BERTH_TRY(const std::size_t count, parse_count(session.arguments.get("--lines", "100")));
    Value::Map past = with(view.filters, {{"id", follow.app.id}});
    if (view.whole && !session.arguments.has("--follow")) {
        past.emplace_back("rest", true);
    }
    Value::Map args = past;
    if (!all) {
        args.emplace_back("tail", std::uint64_t{count});
    }
    for (bool more = true; more;) {
        BERTH_TRY(const Value info, follow.client->ask("logs", args));
        const wire::LogBatch batch = wire::to_log_batch(info);
        print_lines(view, follow, batch.lines);
        follow.position = batch.next;
        more = batch.truncated && !output_is_broken();
        args = with(past, {{"position", wire::to_value(batch.next)}});
    }
    return {};
}

}  // namespace

int run_logs(Session& session) {
    const auto listing = list_apps(session, session.arguments.words, 0);
    if (!listing) {
        return report(listing.error());
    }
    for (const std::string& pattern : listing->unmatched) {
        print_error("no app matches \"" + pattern + "\"");
    }
    if (listing->apps.empty()) {
        return kNothing;
    }
    const auto view = view_of(session, listing->apps.size());
    if (!view) {
        return report(view.error());
    }
    std::vector<Follow> follows;
    for (const AppStatus& app : listing->apps) {
        const auto client = session.client(app.agent);
        if (!client) {
            return report(client.error());
        }
        follows.push_back({app, *client, {}, {}});
    }
    for (Follow& follow : follows) {
        if (auto printed = print_past(session, *view, follow); !printed) {
            return report(printed.error());
        }
        if (!session.arguments.has("--follow")) {
            print_end(*view, follow);
        }
    }
    if (!session.arguments.has("--follow")) {
        return kDone;
    }
    std::optional<Error> failure;
    std::map<std::string, std::unique_ptr<AgentEnd>> ends;  // by agent
    const std::function<void(const std::string&)> follow_agent = [&](const std::string& agent) {
        const auto client = session.client(agent);
        // Its answer says that the one to be watched is there.
        const auto hello = client ? (*client)->ask("hello", Value::Map{}, kNextAgent)
                                  : Result<Value>(fail(client.error()));
        if (!hello) {
            failure = hello.error();
            return;
        }
        auto end = AgentEnd::watch(session, agent, [&, agent] {
            // Not within a call of the client that goes.
            session.loop->post([&, agent] {
                session.forget_client(agent);
                follow_agent(agent);
            });
        });
        ends[agent] = std::move(end);
        for (Follow& follow : follows) {
            if (follow.app.agent == agent) {
                follow.client = *client;
                follow_on(*view, follow, failure);
            }
        }
    };
    std::set<std::string> agents;
    for (const Follow& follow : follows) {
        agents.insert(follow.app.agent);
    }
    for (const std::string& agent : agents) {
        follow_agent(agent);
    }
    while (!failure && !output_is_broken() && session.loop->turn(std::chrono::seconds(60))) {
    }
    for (Follow& follow : follows) {
        print_end(*view, follow);
    }
    return failure ? report(*failure) : kDone;
}

int run_events(Session& session) {
    const auto count = parse_count(session.arguments.get("--lines", "20"));
    const auto client = session.client(session.agent);
    if (!count || !client) {
        return report(count ? client.error() : count.error());
    }
    Value::Map args = {{"limit", std::uint64_t{*count}}};
    const bool follow = session.arguments.has("--follow");
    for (;;) {
        const auto info = (*client)->ask("events", args, std::chrono::seconds(60));
        if (!info) {
            return report(info.error());
        }
        for (const Value& event : (*info)["events"].as_array()) {
            const WallTime time = wire::to_wall_time(event["time"]);
            if (session.style.json) {
                json::JsonWriter json;
                json.begin_object()
                    .field("seq", event["seq"].as_uint())
                    .field("time", rfc3339_utc(time, 3));
                json.field("app", event["app"].as_string())
                    .field("state", event["state"].as_string());
                json.field("text", event["text"].as_string()).end_object();
                print(json.take() + "\n");
            } else {
                print(local_time(time) + "  " + event["app"].as_string() + "  " +
                      event["state"].as_string() + ": " + event["text"].as_string() + "\n");
            }
        }
        (void)std::fflush(stdout);
        if (!follow || output_is_broken()) {
            return kDone;
        }
        args = {{"after", (*info)["last"].as_uint()},
                {"limit", std::uint64_t{1000}},
                {"wait_ms", kFollowWaitMs}};
    }
}

namespace {

constexpr char kDetachFirst = 0x10;   // Ctrl-P
constexpr char kDetachSecond = 0x11;  // Ctrl-Q

// What of some input was not taken, as an error; nothing: all was.
std::optional<Error> not_taken(const AppStatus& app,
                               const Value& info,
                               std::size_t size,
                               std::uint64_t before = 0) {
    const std::uint64_t taken = info["taken"].as_uint();
    if (taken >= size) {
        return std::nullopt;
    }
    return Error{info["full"].as_bool() ? ErrorCode::Exhausted : ErrorCode::WrongState,
                 app.id + ": " + info["why"].as_string() + "; " + std::to_string(before + taken) +
                     " bytes of the input were taken, the rest was not",
                 0};
}

// Sends what is typed; knows the way out.
class Keyboard {
public:
    Keyboard(Session& session, const AppStatus& app, Client& client, std::optional<Error>& failure)
        : loop_(*session.loop), app_(app), client_(client), failure_(failure) {}

    void begin() {
        watch_ =
            loop_.watch(STDIN_FILENO, loop::Interest::Read, [this](bool, bool) { readable(); });
    }

    [[nodiscard]] bool left() const { return left_; }

private:
    void readable() {
        std::array<char, 4096> buffer{};
        const os::IoOutcome outcome = os::read_some(STDIN_FILENO, buffer.data(), buffer.size());
        if (outcome.status != os::IoStatus::Done) {
            left_ = true;
            watch_.reset();
            loop_.post([] {});
            return;
        }
        std::string typed;
        for (const char c : std::string_view(buffer.data(), outcome.bytes)) {
            if (half_way_out_ && c == kDetachSecond) {
                left_ = true;
                return;
            }
            if (std::exchange(half_way_out_, c == kDetachFirst)) {
                typed += kDetachFirst;
            }
            if (c != kDetachFirst) {
                typed += c;
            }
        }
        if (!typed.empty()) {
            client_.send("input",
                         Value::Map{{"id", app_.id}, {"data", typed}},
                         [this, size = typed.size()](Result<Value> done) {
                             if (auto why = done ? not_taken(app_, *done, size) : done.error()) {
                                 failure_ = std::move(why);
                             }
                         });
        }
    }

    loop::EventLoop& loop_;
    const AppStatus& app_;
    Client& client_;
    std::optional<Error>& failure_;
    bool half_way_out_ = false;
    bool left_ = false;
    loop::Registration watch_;
};

// Input that is no terminal goes to the app as fast as it reads; then connect ends. Error: it has
// not read for so long, or takes none any more, and how much it has taken.
int send_piped_input(const AppStatus& app, Client& client) {
    constexpr std::uint64_t kPatienceMs = 30'000;
    constexpr Duration kAnswer = std::chrono::seconds(45);
    std::array<char, 65536> buffer{};
    std::uint64_t before = 0;
    for (;;) {
        const os::IoOutcome outcome = os::read_some(STDIN_FILENO, buffer.data(), buffer.size());
        if (outcome.status != os::IoStatus::Done) {
            return kDone;
        }
        const auto sent = client.ask("input",
                                     Value::Map{{"id", app.id},
                                                {"data", std::string(buffer.data(), outcome.bytes)},
                                                {"wait_ms", kPatienceMs}},
                                     kAnswer);
        if (!sent) {
            Error error = sent.error();
            error.message +=
                "; " + std::to_string(before) + " bytes of the input were taken before";
            return report(error);
        }
        if (const auto refused = not_taken(app, *sent, outcome.bytes, before)) {
            return report(*refused);
        }
        before += outcome.bytes;
    }
}

}  // namespace

namespace {

// Tells when the app that somebody is connected to has ended, by the agent's events.
class EndWatch {
public:
    EndWatch(const AppStatus& app, Client& client) : app_(app), client_(client) {}

    // From what happens now on.
    Result<void> begin() {
        BERTH_TRY(const Value info, client_.ask("events", Value::Map{{"limit", std::uint64_t{1}}}));
        last_ = info["last"].as_uint();
        wait();
        return {};
    }

    // It is down; what its state is, and why.
    [[nodiscard]] const std::optional<std::string>& ended() const { return ended_; }

private:
    void wait() {
        client_.send(
            "events",
            Value::Map{
                {"after", last_}, {"limit", std::uint64_t{1000}}, {"wait_ms", kFollowWaitMs}},
            [this](const Result<Value>& info) {
                if (!info) {
                    return;  // who follows the log tells of it
                }
                for (const Value& event : (*info)["events"].as_array()) {
                    look_at(event);
                }
                last_ = (*info)["last"].as_uint();
                wait();
            });
    }

    void look_at(const Value& event) {
        const auto state = kAppStateNames.value(event["state"].as_string());
        if (event["app"].as_string() != app_.id || !state) {
            return;
        }
        const std::string text = event["state"].as_string() + ": " + event["text"].as_string();
        if (*state == AppState::Exited || *state == AppState::Failed ||
            *state == AppState::Stopped) {
            ended_ = text;
        } else if (*state == AppState::Backoff) {
            print_error(app_.id + " is " + text + "\r");  // the terminal may be raw
        }
    }

    const AppStatus& app_;
    Client& client_;
    std::uint64_t last_ = 0;
    std::optional<std::string> ended_;
};

// The app's window is that of the terminal, now and whenever that changes.
void fit_window(const AppStatus& app, Client& client) {
    const auto [rows, columns] = terminal_size();
    client.send(
        "resize", Value::Map{{"id", app.id}, {"rows", rows}, {"columns", columns}}, [](auto&&) {});
}

// What it wrote last, up to its end.
void print_rest(const LogView& view, Follow& follow) {
    follow.over = true;
    for (bool more = true; more;) {
        const auto info = follow.client->ask(
            "logs",
            Value::Map{{"id", follow.app.id}, {"position", wire::to_value(follow.position)}});
        if (!info) {
            break;  // the agent has gone too: there is no more
        }
        const wire::LogBatch batch = wire::to_log_batch(*info);
        print_lines(view, follow, batch.lines);
        more = !batch.lines.empty() && !(follow.position == batch.next);
        follow.position = batch.next;
    }
    print_end(view, follow);
}

// How being connected came to its end.
struct Leaving {
    std::optional<Error> failure;
    std::optional<std::string> ended;  // the app has
    int signal = 0;                    // that is to end this process
};

// While somebody at a terminal is connected. The terminal is as it was before when this is left.
Leaving stay_connected(Session& session, const LogView& view, Follow& follow) {
    Leaving leaving;
    auto signals = os::make_signalfd({SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT});
    if (!signals) {
        return {signals.error(), {}, 0};
    }
    const AppStatus& app = follow.app;
    const RawTerminal terminal(app.tty ? RawTerminal::Mode::Raw : RawTerminal::Mode::Lines);
    const auto watch = session.loop->watch(signals->get(), loop::Interest::Read, [&](bool, bool) {
        while (const auto signal = os::next_signal(signals->get())) {
            if (signal->number != SIGWINCH) {
                leaving.signal = signal->number;
            } else if (app.tty) {
                fit_window(app, *follow.client);
            }
        }
    });
    const auto agent_end = AgentEnd::watch(session, app.agent, [&leaving] {
        leaving.failure =
            Error{ErrorCode::Unavailable, "the agent has ended; the app may go on", 0};
    });
    EndWatch end(app, *follow.client);
    if (auto begun = end.begin(); !begun) {
        return {begun.error(), {}, 0};
    }
    if (app.tty) {
        fit_window(app, *follow.client);
    }
    Keyboard keyboard(session, app, *follow.client, leaving.failure);
    keyboard.begin();
    follow_on(view, follow, leaving.failure);
    while (!leaving.failure && !end.ended() && leaving.signal == 0 && !keyboard.left() &&
           session.loop->turn(std::chrono::seconds(60))) {
    }
    if (end.ended()) {
        print_rest(view, follow);
        leaving.failure.reset();  // of input that it did not take any more
    }
    leaving.ended = end.ended();
    print_bytes(view.modes->undo());
    (void)std::fflush(stdout);
    return leaving;
}

}  // namespace

int run_connect(Session& session) {
    const auto app = one_app(session, session.arguments.words.front());
    const auto client = app ? session.client(app->agent) : Result<Client*>(fail(app.error()));
    if (!client) {
        return report(client.error());
    }
    TerminalModes modes;
    LogView view;
    view.raw = app->tty;  // a terminal program draws
    view.show = wire::LineJoiner::Show::Soon;
    view.modes = &modes;
    Follow follow{*app, *client, {}, {}};
    session.arguments.line.set("--lines", "1000");
    if (auto printed = print_past(session, view, follow); !printed) {
        return report(printed.error());
    }
    if (!is_active(app->state)) {
        print_bytes(modes.undo());
        print_error(app->id + " is " + std::string(kAppStateNames.name(app->state)) +
                    ", this is what it wrote last");
        return kDone;
    }
    if (::isatty(STDIN_FILENO) == 0) {
        return send_piped_input(*app, **client);
    }
    print_error("connected to " + app->id + "; Ctrl-P Ctrl-Q leaves");
    Leaving leaving = stay_connected(session, view, follow);
    if (leaving.signal != 0) {
        end_by_signal(leaving.signal);
    }
    if (leaving.ended) {
        print_error(app->id + " is " + *leaving.ended);
        return kDone;
    }
    return leaving.failure ? report(*leaving.failure) : kDone;
}

}  // namespace berth::cli
