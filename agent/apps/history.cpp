#include "agent/logs/log_reader.h"
#include "agent/apps/crash_bundle.h"
#include "agent/apps/registry.h"

namespace berth::apps {

// The part of the Registry that writes down what has happened.

namespace {

constexpr std::size_t kCrashLines = 40;
constexpr std::size_t kCrashFigures = 24;  // two minutes, when somebody has looked
constexpr std::size_t kCrashRuns = 16;     // as far back as a crash may still be owed
constexpr std::size_t kKnownRuns = 100;    // whose lines in the log are told apart
constexpr Duration kWatchedPace = std::chrono::seconds(5);
constexpr Duration kPace = std::chrono::minutes(5);
constexpr Duration kFresh = std::chrono::milliseconds(400);

}  // namespace

void Registry::end_run(App& app, bool crashed) {
    AppStatus status;
    app.machine.describe(status);
    store::RunRow run;
    run.id = app.row.id;
    run.generation = app.machine.generation();
    run.started = status.started.value_or(loop_.now().wall);
    run.ended = status.finished.value_or(loop_.now().wall);
    run.exit = status.exit;
    run.how = status.reason;
    unstored_runs_.push_back(run);
    if (crashed) {
        keep_crash(app);  // the one before, if it is still to be
        status.rss_bytes = app.sample.rss_bytes;
        status.cpu_percent = app.sample.cpu_percent;
        status.processes = app.sample.processes;
        app.crash = std::make_unique<App::Crash>(App::Crash{std::move(status), app.running_spec});
        app.row.crash_due = run.generation;
        crashed_.insert(app.row.id);
    }
    app.sample = {};
    app.told = {};
    app.said.clear();
    to_forget_.push_back({app.row.id, run.generation});
}

// Once the next start is on its way, so that nobody waits for a log to be read.
void Registry::keep_crashes() {
    for (const std::string& id : std::exchange(crashed_, {})) {
        if (App* const app = find_mutable(id)) {
            keep_crash(*app);
        }
    }
}

// What a run said, not the runs before and after it.
std::vector<wire::LogLine> Registry::lines_of_run(const std::string& id,
                                                  const AppStatus& run,
                                                  std::size_t count) const {
    logs::LogQuery query;
    query.form = logs::LogForm::AndRest;
    query.tail = count;
    query.max_lines = count * 2 + 2;
    query.max_bytes = 8 * logs::kMaxLine;
    query.runs = [&run] {
        std::vector<WallTime> runs;
        if (run.started) {
            runs.push_back(*run.started);
        }
        if (run.finished) {
            runs.push_back(*run.finished + Duration(1));  // the next one's lines are not of this
        }
        return runs;
    };
    query.since = run.started;
    if (run.finished) {
        query.until = *run.finished + Duration(1);
    }
    auto batch = logs::LogReader(log_folder(id)).read(query);
    return batch ? std::move(batch->lines) : std::vector<wire::LogLine>();
}

std::vector<WallTime> Registry::run_starts(const std::string& id) const {
    std::vector<WallTime> starts;
    for (const store::RunRow& run : store_.runs(id, kKnownRuns)) {
        starts.push_back(run.started);
    }
    for (const store::RunRow& run : unstored_runs_) {
        if (run.id == id) {
            starts.push_back(run.started);
        }
    }
    if (const App* const app = find(id)) {
        AppStatus status;
        app->machine.describe(status);
        if (status.started) {
            starts.push_back(*status.started);
        }
    }
    return starts;
}

std::vector<wire::LogLine> Registry::last_lines_of_run(const App& app, std::size_t count) const {
    AppStatus status;
    app.machine.describe(status);
    return lines_of_run(app.row.id, status, count);
}

void Registry::keep_crash(App& app) {
    if (!app.crash) {
        return;
    }
    AppStatus status = std::move(app.crash->status);
    const auto spec = std::move(app.crash->spec);
    app.crash.reset();
    status.command = spec->command;
    const auto lines = lines_of_run(app.row.id, status, kCrashLines);
    store::CrashRow crash;
    crash.id = app.row.id;
    crash.generation = std::exchange(app.row.crash_due, 0);
    crash.time = status.finished.value_or(loop_.now().wall);
    crash.signature = crash_signature(status, lines);
    crash.how = status.reason;
    crash.bundle = crash_bundle(status, *spec, lines, figures_.last(app.row.id, kCrashFigures));
    store_.add_crash(crash);
    dirty_.insert(app.row.id);
}

// The agent died between the end of a run and writing down its crash.
void Registry::recall_crash(App& app) {
    if (app.row.crash_due == 0) {
        return;
    }
    AppStatus status;
    for (const store::RunRow& run : store_.runs(app.row.id, kCrashRuns)) {
        if (run.generation == app.row.crash_due) {
            status.started = run.started;
            status.finished = run.ended;
            status.exit = run.exit;
            status.reason = run.how;
        }
    }
    if (!status.started) {
        app.row.crash_due = 0;  // the run itself is not known any more
        return;
    }
    app.crash = std::make_unique<App::Crash>(App::Crash{std::move(status), app.running_spec});
    crashed_.insert(app.row.id);
}

void Registry::record_event(const std::string& id, AppState state, const std::string& text) {
    unstored_events_.push_back({0, loop_.now().wall, id, state, text});
}

void Registry::note(const App& app) {
    record_event(app.row.id, supervisor::public_state(app.machine.state()), app.machine.reason());
}

// Something that is no change of the state.
void Registry::tell(const App& app, const std::string& text) {
    record_event(app.row.id, supervisor::public_state(app.machine.state()), text);
    changed_.insert(app.row.id);
}

void Registry::watch_figures(bool watched) {
    keeper_.watch(watched);
    if (std::exchange(figures_watched_, watched) != watched) {
        arm_history();
    }
}

void Registry::arm_history() {
    figures_timer_ = loop_.after(figures_watched_ ? kWatchedPace : kPace, [this] {
        sample_history();
        arm_history();
    });
}

void Registry::sample_history() {
    const MonoTime now = loop_.now().mono;
    for (const auto& [id, app] : apps_) {
        AppStatus status;
        app->machine.describe(status);
        if (!status.pid) {
            continue;
        }
        const std::string cgroup = keeper_.cgroup().empty() ? "" : keeper_.cgroup() + "/" + id;
        const backend::Sample before = app->sample;
        backend::Sample sample = native::take_sample(*status.pid, cgroup, before, now, native::Detail::Full);
        if (const auto mailbox = mailbox_of_ ? mailbox_of_(id) : std::nullopt) {
            sample.messages = mailbox->waiting;
            sample.messages_received = mailbox->received;
            sample.messages_taken = mailbox->taken;
        }
        if (before.leader != sample.leader || now - before.at > kFresh) {
            app->sample = sample;
        }
        figures_.add(id, sample, loop_.now().wall);
    }
    if (now - figures_kept_ >= kPace) {
        figures_kept_ = now;
        figures_.keep(loop_.now().wall);
    }
}

}  // namespace berth::apps
