#include "agent/apps/conductor.h"

#include <signal.h>

#include <utility>

#include "shared/base/text.h"

namespace berth::apps {

using supervisor::Effects;
using supervisor::Event;
using supervisor::Input;
using supervisor::State;

namespace {

constexpr Duration kHung = std::chrono::seconds(1);  // a backend that takes as long to answer is

}  // namespace

Conductor::Conductor(const Parts& parts) : parts_(parts), engine_(std::random_device{}()) {
    clock_hook_ = parts_.loop.on_clock_set([this](Duration by) { clock_set(by); });
}

double Conductor::random() {
    return std::generate_canonical<double, 53>(engine_);
}

// --- requests

Result<void> Conductor::request(const std::string& id, Event event, const Actor& actor) {
    BERTH_TRY(App * app, parts_.table.require(id));
    const bool begins = event == Event::Start || event == Event::Restart;
    if (shutting_down_ && begins) {
        return fail(ErrorCode::Unavailable, "the agent is stopping");
    }
    Input input;
    input.event = event;
    input.actor = actor.text;
    if (begins) {
        input.missing = needs().missing(app->spec());
        // One that cannot start says so at once, instead of waiting for others first.
        input.needs_met = input.missing.empty() || !obstacles(*app, app->spec()).empty();
    }
    const Effects effects = app->machine.step(input, parts_.loop.now(), random());
    if (effects.rejected) {
        return fail(ErrorCode::WrongState, effects.reason);
    }
    parts_.ledger.require_durable();
    carry_out(*app, event, effects);
    if (app->machine.state() == State::Waiting) {
        start_needs(*app, actor);
    }
    return {};
}

Result<void> Conductor::start(const std::string& id, const Actor& actor) {
    return request(id, Event::Start, actor);
}

Result<void> Conductor::stop(const std::string& id, const Actor& actor) {
    return request(id, Event::Stop, actor);
}

Result<void> Conductor::kill(const std::string& id, const Actor& actor) {
    return request(id, Event::Kill, actor);
}

Result<void> Conductor::restart(const std::string& id, const Actor& actor) {
    return request(id, Event::Restart, actor);
}

Result<void> Conductor::input(const std::string& id,
                              std::string data,
                              Duration patience,
                              backend::Backend::InputDone done) {
    BERTH_TRY(const App* const app, parts_.table.require(id));
    const State state = app->machine.state();
    if (state != State::Running && state != State::Starting) {
        return fail(ErrorCode::WrongState, "must be active");
    }
    parts_.backend.input(app->run(), std::move(data), patience, std::move(done));
    return {};
}

void Conductor::resize(const std::string& id, std::uint32_t rows, std::uint32_t columns) {
    if (const App* const app = parts_.table.find(id)) {
        parts_.backend.resize(app->run(), rows, columns);
    }
}

void Conductor::start_needs(const App& app, const Actor& actor) {
    const std::string why = actor.text + (actor.text.empty() ? "" : " ") + "for " + app.id();
    for (const std::string& need : needs().to_start(app.spec())) {
        (void)request(need, Event::Start, {why});  // why it cannot start is its state then
    }
}

void Conductor::autostart() {
    for (const auto& [id, app] : parts_.table.all()) {
        const AppSpec& spec = app->spec();
        if (app->machine.is_down() && spec.autostart && spec.schedule.cron.empty() &&
            !app->machine.held()) {
            (void)request(id, Event::Start, {"autostart"});  // a refusal means that it runs
        }
    }
}

std::vector<std::string> Conductor::obstacles(const App& app, const AppSpec& spec) const {
    std::vector<std::string> texts;
    if (!app.machine.occupied()) {
        for (const backend::Obstacle& obstacle : parts_.backend.preflight(app.launch(spec))) {
            texts.push_back(obstacle.text);
        }
    }
    return texts;
}

// --- effects

void Conductor::feed(App& app, Input input) {
    input.missing = needs().missing(app.spec());
    input.needs_met = input.missing.empty();
    const Effects effects = app.machine.step(input, parts_.loop.now(), random());
    carry_out(app, input.event, effects);
}

void Conductor::carry_out(App& app, Event cause, const Effects& effects) {
    if (effects.run_ended) {
        end_run(app, effects.crashed);
    }
    if (effects.hook_ended) {
        parts_.ledger.forget(app.run());
    }
    if (effects.changed) {
        parts_.ledger.touch(app.id());
        note(app, cause);
    }
    arm(app);
    parts_.care.follow(app);
    if (app.machine.state() == State::Waiting || app.machine.state() == State::Storing) {
        waiting_.insert(app.id());
    }
    if (effects.signal) {
        end_tree(app, *effects.signal);
    }
    if (effects.kill) {
        parts_.backend.signal(app.run(), SIGKILL, backend::Scope::Tree);
    }
    if (effects.spawn) {
        spawn(app);
    }
    if (effects.hook) {
        spawn_hook(app);
    }
}

void Conductor::begin_run(App& app) {
    app.running_spec = app.machine.shared_spec();
    app.status_text.clear();
    app.log_note.clear();
    parts_.figures.reset(app.id());
}

void Conductor::spawn(App& app) {
    begin_run(app);
    // A backend sets one end aside that is not stored. After a crash there may be two: that of the
    // run before the one which the agent before us had just begun.
    if (parts_.ledger.unforgotten(app.id()) > 1) {
        parts_.ledger.commit();
    }
    const backend::Effort effort =
        app.machine.first_try() ? backend::Effort::Thorough : backend::Effort::Quick;
    if (const auto refusal = parts_.backend.start(app.launch(app.spec()), effort)) {
        return refused(app, *refusal);
    }
    app.started_with = app.digest;
}

void Conductor::refused(App& app, const backend::Refusal& refusal) {
    Input failed;
    failed.event = Event::SpawnFailed;
    failed.problem = refusal.problem;
    failed.hopeless = refusal.hopeless;
    feed(app, failed);
}

void Conductor::spawn_hook(App& app) {
    std::vector<std::string> variables;
    if (const auto code = spmi_exit_code(app.machine.exit())) {
        variables.push_back("BERTH_EXIT_CODE=" + std::to_string(*code));
    }
    const auto refusal =
        parts_.backend.start_line(app.launch(app.spec()), app.spec().post_stop, variables);
    if (refusal) {
        remark(app, "hooks.post_stop cannot run: " + refusal->problem);
        refused(app, {});
    }
}

// The stop signal, after the stop command where there is one.
void Conductor::end_tree(App& app, int number) {
    const bool asked = app.machine.state() == State::Stopping;
    if (!asked || app.spec().stop.command.empty()) {
        return parts_.backend.signal(app.run(), number, backend::Scope::Tree);
    }
    parts_.care.run_stop_command(app, [this, run = app.run(), number](const std::string& failure) {
        const App* const still = parts_.table.find(run.id);
        if (still != nullptr && !failure.empty()) {
            remark(*still, "its stop command did not succeed: " + failure);
        }
        parts_.backend.signal(run, number, backend::Scope::Tree);
    });
}

void Conductor::end_run(App& app, bool crashed) {
    AppStatus status = app.described();
    store::RunRow run;
    run.id = app.id();
    run.generation = app.machine.generation();
    run.started = status.started.value_or(parts_.loop.now().wall);
    run.ended = status.finished.value_or(parts_.loop.now().wall);
    run.exit = status.exit;
    run.how = status.reason;
    parts_.ledger.run_ended(std::move(run));
    if (crashed) {
        const backend::Sample sample = parts_.figures.of(app.id());
        status.rss_bytes = sample.rss_bytes;
        status.cpu_percent = sample.cpu_percent;
        status.processes = sample.processes;
        parts_.crashes.crashed(app, std::move(status));
    }
    app.status_text.clear();
    parts_.figures.reset(app.id());
}

// --- deadlines

void Conductor::arm(App& app) {
    const auto deadline = app.machine.deadline();
    if (!deadline) {
        deadlines_.erase(app.id());
        return;
    }
    deadlines_[app.id()] = parts_.loop.at(*deadline, [this, id = app.id()] { on_deadline(id); });
}

// A run that should have ended, or be ready, by now may have told so to a backend that hangs: its
// time counts from when that goes on.
void Conductor::on_deadline(const std::string& id) {
    App* const due = parts_.table.find(id);
    if (due == nullptr) {
        return;
    }
    const State state = due->machine.state();
    if (state != State::Starting && state != State::Stopping) {
        return deadline_passed(*due);
    }
    const auto deadline = due->machine.deadline();
    parts_.backend.confirm([this, id, deadline](Duration took) {
        App* const app = parts_.table.find(id);
        if (app == nullptr || app->machine.deadline() != deadline) {
            return;
        }
        if (took < kHung) {
            return deadline_passed(*app);
        }
        const bool stopping = app->machine.state() == State::Stopping;
        extend(*app, stopping ? app->spec().stop.timeout : app->spec().ready.timeout);
    });
}

void Conductor::deadline_passed(App& app) {
    Input input;
    input.event = Event::Deadline;
    input.problem = parts_.care.evidence(app.id());
    feed(app, input);
}

void Conductor::extend(App& app, Duration by) {
    app.machine.extend(by, parts_.loop.now());
    arm(app);
}

void Conductor::checked(const std::string& id, checks::Purpose purpose, const std::string& why) {
    if (App* const app = parts_.table.find(id)) {
        Input input;
        input.event = purpose == checks::Purpose::Ready ? Event::Ready : Event::Unhealthy;
        input.problem = why;
        feed(*app, input);
    }
}

void Conductor::clock_set(Duration by) {
    set_brought_up(brought_up_ + by);
    for (const auto& [id, app] : parts_.table.all()) {
        app->machine.clock_set(by);
        parts_.ledger.touch(id);
        shown(id);
    }
}

void Conductor::set_brought_up(WallTime time) {
    brought_up_ = time;
    parts_.ledger.set_meta("brought_up", std::to_string(time.time_since_epoch().count()));
}

// --- events

void Conductor::note(App& app, Event cause) {
    const AppState from = std::exchange(app.noted_state, app.state());
    parts_.stream.append({.time = parts_.loop.now().wall,
                          .app = app.id(),
                          .kind = events::Kind::State,
                          .from = from,
                          .to = app.noted_state,
                          .cause = std::string(supervisor::kEventNames.name(cause)),
                          .actor = app.machine.actor(),
                          .evidence = app.machine.reason()});
}

// Something else than a step of its machine.
void Conductor::tell(const std::string& id,
                     events::Kind kind,
                     AppState state,
                     const std::string& text) {
    parts_.stream.append({.time = parts_.loop.now().wall,
                          .app = id,
                          .kind = kind,
                          .from = state,
                          .to = state,
                          .cause = {},
                          .actor = {},
                          .evidence = text});
}

void Conductor::remark(const App& app, const std::string& text) {
    tell(app.id(), events::Kind::Remark, app.state(), text);
}

void Conductor::shown(const std::string& id) {
    if (const App* const app = parts_.table.find(id)) {
        tell(id, events::Kind::Shown, app->state(), {});
    }
}

// --- who there is

void Conductor::admit(App& app) {
    app.noted_state = app.state();
    arm(app);
    parts_.crashes.recall(app);
    waiting_.insert(app.id());
}

void Conductor::set_aside(App& app, const std::string& why) {
    supervisor::Machine::Memory memory = app.machine.memory();
    if (!app.machine.is_down()) {
        memory.state = State::Stopped;
        memory.reason = why;
    }
    memory.desired = Desired::Stopped;
    memory.start_after = false;
    memory.held = true;
    app.machine.recall(memory, parts_.loop.now());
    app.noted_state = app.state();
    arm(app);
    shown(app.id());
}

void Conductor::dismiss(const std::string& id, const std::string& text) {
    if (parts_.table.find(id) != nullptr) {
        // Stopped, whatever it was: nobody needs to see to it any more.
        tell(id, events::Kind::Remark, AppState::Stopped, text);
    }
    deadlines_.erase(id);
    waiting_.erase(id);
    parts_.care.remove(id);
    parts_.crashes.remove(id);
    parts_.figures.remove(id);
    parts_.ledger.remove(id);
    parts_.table.erase(id);
    tell(id, events::Kind::Removed, AppState::Stopped, text);
}

// --- the end of a turn

void Conductor::stop_unneeded() {
    if (!shutting_down_) {
        return;
    }
    const std::set<std::string> in_use = needs().in_use();
    for (const auto& [id, app] : parts_.table.all()) {
        const State state = app->machine.state();
        const bool stoppable = state == State::Spawning || state == State::Queued ||
                               state == State::Starting || state == State::Running ||
                               state == State::Backoff || state == State::Waiting;
        if (stoppable && in_use.count(id) == 0) {
            Input input;
            input.event = Event::Stop;
            input.keep_desired = true;
            input.actor = "the end of the agent";
            feed(*app, input);
        }
    }
}

void Conductor::wake_waiting() {
    for (const std::string& id : std::exchange(waiting_, {})) {
        App* const app = parts_.table.find(id);
        if (app == nullptr) {
            continue;
        }
        const bool to_be_stored = app->machine.state() == State::Storing;
        const bool to_be_met = app->machine.state() == State::Waiting;
        const bool met = to_be_met && needs().missing(app->spec()).empty();
        if ((to_be_stored && parts_.ledger.refused()) || (to_be_met && !met)) {
            waiting_.insert(id);
        } else if (to_be_stored || (to_be_met && !shutting_down_)) {
            Input input;
            input.event = to_be_stored ? Event::RunStored : Event::NeedsMet;
            feed(*app, input);
        }
    }
}

}  // namespace berth::apps
