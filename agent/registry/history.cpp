#include "agent/logs/log_reader.h"
#include "agent/registry/crash_bundle.h"
#include "agent/registry/registry.h"

namespace berth::registry {

// The part of the Registry that writes down what has happened.

namespace {

constexpr std::size_t kCrashLines = 40;
constexpr std::size_t kCrashFigures = 24;  // two minutes, when somebody has looked
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
    store_.add_run(run);
    unstored_runs_.push_back(run);
    if (crashed) {
        status.command = app.running_spec.command;
        status.rss_bytes = app.sample.rss_bytes;
        status.cpu_percent = app.sample.cpu_percent;
        status.processes = app.sample.processes;
        keep_crash(app, status);
    }
    app.sample = {};
    app.said.clear();
    to_forget_.push_back({app.row.id, run.generation});
}

void Registry::keep_crash(const App& app, const AppStatus& status) {
    logs::LogQuery query;
    query.tail = kCrashLines;
    query.max_lines = kCrashLines * 2;  // partial lines are not counted as lines
    query.since = status.started;       // what it said, not the run before
    const logs::LogReader reader(log_folder(app.row.id));
    auto batch = reader.read(query);
    if (batch && batch->lines.empty()) {
        query.since.reset();  // it has said nothing, or the clock was set: what came before it
        batch = reader.read(query);
    }
    const auto lines = batch ? batch->lines : std::vector<wire::LogLine>();
    store::CrashRow crash;
    crash.id = app.row.id;
    crash.generation = app.machine.generation();
    crash.time = status.finished.value_or(loop_.now().wall);
    crash.signature = crash_signature(status, lines);
    crash.how = status.reason;
    crash.bundle =
        crash_bundle(status, app.running_spec, lines, figures_.last(app.row.id, kCrashFigures));
    store_.add_crash(crash);
}

void Registry::note(const App& app) {
    AppStatus status;
    app.machine.describe(status);
    store::EventRow event;
    event.time = loop_.now().wall;
    event.app = app.row.id;
    event.state = status.state;
    event.text = status.reason;
    (void)store_.add_event(event);
}

// Something that is no change of the state.
void Registry::tell(const App& app, const std::string& text) {
    store::EventRow event;
    event.time = loop_.now().wall;
    event.app = app.row.id;
    event.state = supervisor::public_state(app.machine.state());
    event.text = text;
    (void)store_.add_event(event);
    changed_.insert(app.row.id);
}

void Registry::watch_figures(bool watched) {
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
        const Sample before = app->sample;
        Sample sample = take_sample(*status.pid, cgroup, before, now, Detail::Full);
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

}  // namespace berth::registry
