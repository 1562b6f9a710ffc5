#include "agent/registry/registry.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>

#include "shared/base/ensure.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::registry {

using keeperlink::RunFact;
using keeperlink::RunName;
using keeperlink::RunPhase;
using supervisor::Effects;
using supervisor::Event;
using supervisor::Input;
using supervisor::State;

namespace {

constexpr Duration kStoreRetry = std::chrono::seconds(2);

ExitStatus exit_status(int wait_status, bool known) {
    if (!known) {
        return {ExitKind::Unknown, 0, false};
    }
    if (WIFSIGNALED(wait_status)) {
        return {ExitKind::Signal, WTERMSIG(wait_status), WCOREDUMP(wait_status)};
    }
    return {ExitKind::Code, WEXITSTATUS(wait_status), false};
}

std::string start_problem(keeperlink::StartStage stage, int number, const AppSpec& spec) {
    std::string problem = std::string(keeperlink::stage_text(stage)) + " failed";
    if (stage == keeperlink::StartStage::Exec && !spec.argv.empty()) {
        problem = "cannot run \"" + spec.argv.front() + "\"";
    } else if (stage == keeperlink::StartStage::Folder) {
        problem = "cannot change to its folder \"" + spec.cwd + "\"";
    } else if (stage == keeperlink::StartStage::KeeperDied) {
        return keeperlink::stage_text(stage);
    }
    return problem + ": " + os::error_text(number);
}

WallTime wall_time(std::int64_t ns) {
    return WallTime(Duration(ns));
}

}  // namespace

Registry::Registry(loop::EventLoop& loop,
                   store::Store& store,
                   backend::KeeperClient& keeper,
                   backend::LaunchContext launch,
                   Observers observers)
    : loop_(loop),
      store_(store),
      keeper_(keeper),
      launch_(std::move(launch)),
      observers_(std::move(observers)),
      engine_(std::random_device{}()) {
    flush_hook_ = loop_.before_sleep([this] {
        flush();
        return !changed_.empty() || !removed_.empty();
    });
}

double Registry::random() {
    return std::generate_canonical<double, 53>(engine_);
}

// --- the registered apps
// ---------------------------------------------------------------------------

Result<void> Registry::restore() {
    const auto boot = os::boot_id();
    boot_id_ = boot ? *boot : std::string();
    BERTH_TRY(std::vector<store::AppRow> rows, store_.load_apps());
    for (store::AppRow& row : rows) {
        std::string text = row.text;
        if (row.installed) {
            const auto present = os::read_file(row.descriptor, 1U << 20U);
            if (!present) {
                store_.remove_app(row.id);  // its folder was taken away
                continue;
            }
            text = *present;
        }
        config::Descriptor parsed = config::parse_descriptor(row.descriptor, text);
        const auto found = std::find_if(parsed.apps.begin(),
                                        parsed.apps.end(),
                                        [&row](const AppSpec& spec) { return spec.id == row.id; });
        if (found == parsed.apps.end()) {
            AppSpec broken;
            broken.id = row.id;
            broken.argv = {"/bin/false"};
            broken.autostart = false;
            row.memory.state = State::Failed;
            row.memory.reason = parsed.problems.empty()
                                    ? row.descriptor + " does not declare it any more"
                                    : parsed.problems.front();
            add(std::move(row), std::move(broken));
            continue;
        }
        row.text = std::move(text);
        add(std::move(row), std::move(*found));
    }
    for (const std::string& id : scan()) {
        log::info("found an app", {{"app", id}});
    }
    return {};
}

App& Registry::add(store::AppRow row, AppSpec spec) {
    const std::string id = row.id;
    auto app = std::make_unique<App>(App{std::move(row), supervisor::Machine(spec), spec, {}, {}});
    app->machine.recall(app->row.memory, loop_.now());
    App& added = *app;
    apps_[id] = std::move(app);
    arm(added);
    return added;
}

std::vector<std::string> Registry::scan() {
    std::vector<std::string> found;
    const std::string repos = launch_.home + "/repos";
    const auto names = os::list_folder(repos);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        const auto file = config::find_descriptor(repos + "/" + name);
        if (!file) {
            continue;
        }
        config::Descriptor parsed = config::read_descriptor(*file);
        for (const std::string& problem : parsed.problems) {
            log::warning("a descriptor is broken", {{"problem", problem}});
        }
        const auto text = os::read_file(*file, 1U << 20U);
        for (AppSpec& spec : parsed.apps) {
            if (find(spec.id) != nullptr || !text) {
                continue;
            }
            store::AppRow row;
            row.id = spec.id;
            row.descriptor = *file;
            row.text = *text;
            row.folder = repos + "/" + name;
            row.installed = true;
            row.memory.since = loop_.now().wall;
            row.memory.reason = "never started";
            App& app = add(std::move(row), std::move(spec));
            store_.save_app(app.row);
            changed_.insert(app.row.id);
            found.push_back(app.row.id);
        }
    }
    return found;
}

Result<void> Registry::check_cycles(const std::map<std::string, AppSpec>& added) const {
    // Depth first; an id that is met again while it is being visited closes a cycle.
    std::map<std::string, int> mark;
    std::vector<std::string> path;
    std::function<std::string(const std::string&)> visit =
        [&](const std::string& id) -> std::string {
        if (mark[id] == 2) {
            return {};
        }
        path.push_back(id);
        if (mark[id] == 1) {
            std::string cycle;
            for (auto at = std::find(path.begin(), path.end(), id); at != path.end(); ++at) {
                cycle += (cycle.empty() ? "" : " requires ") + *at;
            }
            return cycle;
        }
        mark[id] = 1;
        const auto fresh = added.find(id);
        const App* const known = find(id);
        const AppSpec* const spec = fresh != added.end() ? &fresh->second
                                    : known != nullptr   ? &known->machine.spec()
                                                         : nullptr;
        for (const std::string& need :
             spec != nullptr ? spec->requires_apps : std::vector<std::string>()) {
            if (std::string cycle = visit(need); !cycle.empty()) {
                return cycle;
            }
        }
        path.pop_back();
        mark[id] = 2;
        return {};
    };
    for (const auto& [id, spec] : added) {
        if (const std::string cycle = visit(id); !cycle.empty()) {
            return fail(ErrorCode::InvalidArgument, "a cycle of requirements: " + cycle);
        }
    }
    return {};
}

LoadOutcome Registry::load(const LoadRequest& request, const Actor& actor) {
    struct Found {
        std::string file;
        std::string text;
        AppSpec spec;
    };

    LoadOutcome outcome;
    std::map<std::string, Found> found;
    std::map<std::string, AppSpec> specs;
    for (const std::string& path : request.paths) {
        const auto file = config::find_descriptor(path);
        if (!file) {
            outcome.problems.push_back(file.error().message);
            continue;
        }
        config::Descriptor parsed = config::read_descriptor(*file);
        outcome.problems.insert(
            outcome.problems.end(), parsed.problems.begin(), parsed.problems.end());
        outcome.warnings.insert(
            outcome.warnings.end(), parsed.warnings.begin(), parsed.warnings.end());
        const auto text = os::read_file(*file, 1U << 20U);
        for (const AppSpec& spec : parsed.apps) {
            if (spec.backend == BackendType::Screen) {
                outcome.warnings.push_back(
                    *file + ": \"" + spec.id +
                    "\" asks for the backend screen; it runs on the native one");
            }
        }
        for (const AppSpec& spec : parsed.apps) {
            const App* const known = find(spec.id);
            if (found.count(spec.id) != 0) {
                outcome.problems.push_back(*file + ": id \"" + spec.id + "\" is also that of " +
                                           found[spec.id].file);
            } else if (known != nullptr && request.fresh) {
                outcome.problems.push_back("Manageable with ID \"" + spec.id +
                                           "\" is already registered");
            } else if (known != nullptr && known->row.descriptor != *file) {
                outcome.problems.push_back(*file + ": \"" + spec.id +
                                           "\" is already registered, from " +
                                           known->row.descriptor);
            } else {
                specs[spec.id] = spec;
                found[spec.id] = {*file, text ? *text : std::string(), spec};
            }
        }
    }
    if (auto cycles = check_cycles(specs); !cycles) {
        outcome.problems.push_back(cycles.error().message);
    }
    if (!outcome.problems.empty()) {
        return outcome;
    }
    for (auto& [id, entry] : found) {
        outcome.ids.push_back(id);
        if (find(id) != nullptr) {
            (void)reload(id, actor);  // parsed a moment ago
            continue;
        }
        store::AppRow row;
        row.id = id;
        row.descriptor = entry.file;
        row.text = std::move(entry.text);
        const bool spmi = entry.spec.descriptor == DescriptorKind::Spmi;
        row.folder = spmi ? request.cwd : entry.file.substr(0, entry.file.rfind('/'));
        row.environment = spmi ? request.environment : std::vector<std::string>();
        row.memory.since = loop_.now().wall;
        row.memory.reason =
            "loaded" + (actor.text.empty() ? "" : " by " + actor.text) + ", never started";
        App& app = add(std::move(row), std::move(entry.spec));
        store_.save_app(app.row);
        note(app);
        changed_.insert(id);
    }
    return outcome;
}

Result<std::string> Registry::reload(const std::string& id, const Actor& actor) {
    BERTH_TRY(App * app, require(id));
    config::Descriptor parsed = config::read_descriptor(app->row.descriptor);
    if (!parsed.problems.empty()) {
        return fail(ErrorCode::InvalidArgument, parsed.problems.front());
    }
    const auto found = std::find_if(parsed.apps.begin(),
                                    parsed.apps.end(),
                                    [&id](const AppSpec& spec) { return spec.id == id; });
    if (found == parsed.apps.end()) {
        return fail(ErrorCode::NotFound,
                    app->row.descriptor + " does not declare \"" + id + "\" any more");
    }
    BERTH_CHECK(check_cycles({{id, *found}}));
    const bool same = *found == app->machine.spec();
    const bool active = is_active(supervisor::public_state(app->machine.state()));
    if (auto text = os::read_file(app->row.descriptor, 1U << 20U)) {
        app->row.text = std::move(*text);
    }
    app->machine.set_spec(std::move(*found));
    app->row.memory = app->machine.memory();
    store_.save_app(app->row);
    changed_.insert(id);
    (void)actor;
    if (same) {
        return std::string("nothing has changed");
    }
    return std::string(active ? "changed; holds from the next start on: berth restart " + id
                              : "changed");
}

// --- requests
// --------------------------------------------------------------------------------------

const App* Registry::find(const std::string& id) const {
    const auto found = apps_.find(id);
    return found != apps_.end() ? found->second.get() : nullptr;
}

App* Registry::find_mutable(const std::string& id) {
    const auto found = apps_.find(id);
    return found != apps_.end() ? found->second.get() : nullptr;
}

Result<App*> Registry::require(const std::string& id) {
    App* const app = find_mutable(id);
    if (app == nullptr) {
        return fail(ErrorCode::NotFound, "no app has the id \"" + id + "\"");
    }
    return app;
}

Result<void> Registry::request(const std::string& id, Event event, const Actor& actor) {
    BERTH_TRY(App * app, require(id));
    if (shutting_down_ && (event == Event::Start || event == Event::Restart)) {
        return fail(ErrorCode::Unavailable, "the agent is stopping");
    }
    Input input;
    input.event = event;
    input.actor = actor.text;
    if (event == Event::Start || event == Event::Restart) {
        fill_needs(*app, input);
    }
    const Effects effects = app->machine.step(input, loop_.now(), random());
    if (effects.rejected) {
        return fail(ErrorCode::WrongState, effects.reason);
    }
    carry_out(*app, effects);
    if (app->machine.state() == State::Waiting) {
        start_needs(*app, actor);
    }
    return {};
}

Result<void> Registry::start(const std::string& id, const Actor& actor) {
    return request(id, Event::Start, actor);
}

Result<void> Registry::stop(const std::string& id, const Actor& actor) {
    return request(id, Event::Stop, actor);
}

Result<void> Registry::kill(const std::string& id, const Actor& actor) {
    return request(id, Event::Kill, actor);
}

Result<void> Registry::restart(const std::string& id, const Actor& actor) {
    return request(id, Event::Restart, actor);
}

Result<void> Registry::clean(const std::string& id, const Actor& actor) {
    BERTH_TRY(App * app, require(id));
    if (is_active(supervisor::public_state(app->machine.state()))) {
        return fail(ErrorCode::WrongState, "must be inactive");
    }
    BERTH_CHECK(os::remove_tree(log_folder(id)));
    store::EventRow event;
    event.time = loop_.now().wall;
    event.app = id;
    event.state = AppState::Stopped;
    event.text = "cleaned" + (actor.text.empty() ? "" : " by " + actor.text);
    (void)store_.add_event(event);
    store_.remove_app(id);
    apps_.erase(id);
    changed_.erase(id);
    removed_.insert(id);
    return {};
}

Result<void> Registry::input(const std::string& id, const std::string& data) {
    BERTH_TRY(const App* const app, require(id));
    const State state = app->machine.state();
    if (state != State::Running && state != State::Starting) {
        return fail(ErrorCode::WrongState, "must be active");
    }
    keeper_.send(keeperlink::Input{{id, app->machine.generation()}, data});
    return {};
}

void Registry::resize(const std::string& id, std::uint32_t rows, std::uint32_t columns) {
    if (const App* const app = find(id)) {
        keeper_.send(keeperlink::Resize{{id, app->machine.generation()}, rows, columns});
    }
}

// --- dependencies
// ----------------------------------------------------------------------------------

// What `app` requires and is not there: "db, cache"; "" when all is.
std::string Registry::missing(const App& app) const {
    std::string names;
    for (const std::string& need : app.machine.spec().requires_apps) {
        const App* const needed = find(need);
        const bool met = needed != nullptr && (needed->machine.state() == State::Running ||
                                               needed->machine.state() == State::Exited);
        if (!met) {
            names +=
                (names.empty() ? "" : ", ") + need + (needed == nullptr ? " (not loaded)" : "");
        }
    }
    return names;
}

void Registry::fill_needs(const App& app, Input& input) const {
    input.missing = missing(app);
    input.needs_met = input.missing.empty();
}

void Registry::start_needs(const App& app, const Actor& actor) {
    for (const std::string& need : app.machine.spec().requires_apps) {
        const App* const needed = find(need);
        const bool down = needed != nullptr && (needed->machine.state() == State::Stopped ||
                                                needed->machine.state() == State::Failed);
        if (down) {
            (void)request(need,
                          Event::Start,
                          {actor.text + (actor.text.empty() ? "" : " ") + "for " + app.row.id});
        }
    }
}

// Apps that wait and miss nothing any more begin.
void Registry::begin_waiting() {
    if (shutting_down_) {
        return;
    }
    for (const auto& [id, app] : apps_) {
        if (app->machine.state() != State::Waiting) {
            continue;
        }
        if (missing(*app).empty()) {
            Input input;
            input.event = Event::NeedsMet;
            feed(*app, input);
        }
    }
}

// --- effects
// ---------------------------------------------------------------------------------------

void Registry::feed(App& app, const Input& input) {
    carry_out(app, app.machine.step(input, loop_.now(), random()));
}

void Registry::carry_out(App& app, const Effects& effects) {
    if (effects.run_ended) {
        end_run(app);
    }
    if (effects.changed) {
        mark(app);
        note(app);
    }
    arm(app);
    if (effects.signal) {
        signal(app, *effects.signal);
    }
    if (effects.kill) {
        signal(app, SIGKILL);
    }
    if (effects.spawn) {
        spawn(app);
    }
}

void Registry::spawn(App& app) {
    app.running_spec = app.machine.spec();
    app.sample = {};
    const auto start = app.machine.spec().backend == BackendType::Slurm
                           ? Result<keeperlink::Start>(fail(ErrorCode::InvalidArgument,
                                                            "this version has no slurm backend"))
                           : backend::plan_launch(launch_,
                                                  {app.machine.spec(),
                                                   app.row.folder,
                                                   app.row.environment,
                                                   app.machine.generation()});
    if (!start) {
        Input failed;
        failed.event = Event::SpawnFailed;
        failed.problem = start.error().message;
        feed(app, failed);
        return;
    }
    keeper_.send(*start);
}

void Registry::signal(App& app, int number) {
    keeper_.send(keeperlink::Signal{
        {app.row.id, app.machine.generation()}, number, keeperlink::SignalScope::Tree});
}

void Registry::end_run(App& app) {
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
    app.sample = {};
    to_forget_.push_back({app.row.id, run.generation});
}

void Registry::mark(App& app) {
    dirty_.insert(app.row.id);
    changed_.insert(app.row.id);
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

void Registry::arm(App& app) {
    const auto deadline = app.machine.deadline();
    if (!deadline) {
        app.timer.reset();
        return;
    }
    const std::string id = app.row.id;
    app.timer = loop_.at(*deadline, [this, id] {
        App* const due = find_mutable(id);
        if (due == nullptr) {
            return;
        }
        Input input;
        input.event = Event::Deadline;
        fill_needs(*due, input);
        feed(*due, input);
    });
}

// --- what the keeper says
// --------------------------------------------------------------------------

Input Registry::end_input(const RunFact& fact) const {
    Input input;
    const App* const app = find(fact.run.id);
    if (fact.phase == RunPhase::Failed) {
        input.event = Event::SpawnFailed;
        input.problem = start_problem(
            fact.stage, fact.os_errno, app != nullptr ? app->running_spec : AppSpec());
        return input;
    }
    input.event = Event::LeaderEnded;
    input.exit = exit_status(fact.wait_status, fact.status_known);
    input.when = wall_time(fact.ended_ns);
    input.tree_gone = fact.tree_gone;
    return input;
}

void Registry::reconcile(const RunFact& fact) {
    App* const app = find_mutable(fact.run.id);
    const bool ended = fact.phase == RunPhase::Exited || fact.phase == RunPhase::Failed;
    if (app == nullptr || fact.run.generation < app->machine.generation()) {
        if (!ended) {
            keeper_.send(keeperlink::Signal{fact.run, SIGKILL, keeperlink::SignalScope::Tree});
        }
        keeper_.send(keeperlink::Forget{fact.run});
        return;
    }
    if (fact.phase == RunPhase::Spawned && app->machine.state() == State::Spawning) {
        return;  // Started or StartFailed follows
    }
    if (!ended) {
        carry_out(*app,
                  app->machine.found_running(
                      fact.run.generation, fact.pid, wall_time(fact.started_ns), loop_.now()));
        return;
    }
    const bool stored = fact.run.generation == app->machine.generation() &&
                        !is_active(supervisor::public_state(app->machine.state()));
    if (stored) {
        to_forget_.push_back(fact.run);
        return;
    }
    carry_out(*app,
              app->machine.found_ended(fact.run.generation,
                                       end_input(fact),
                                       wall_time(fact.started_ns),
                                       loop_.now(),
                                       random()));
}

void Registry::on_snapshot(const std::vector<RunFact>& runs, std::int32_t keeper_pid) {
    const auto stat = os::read_stat(keeper_pid);
    const std::string session = boot_id_ + "/" + std::to_string(keeper_pid) + "/" +
                                std::to_string(stat ? stat->start_ticks : 0);
    const std::string known_boot = store_.meta("boot");
    const bool booted = !known_boot.empty() && known_boot != boot_id_;
    std::set<std::string> with_facts;
    for (const RunFact& fact : runs) {
        if (booted) {
            keeper_.send(keeperlink::Forget{fact.run});
            continue;
        }
        with_facts.insert(fact.run.id);
        reconcile(fact);
    }
    for (const auto& [id, app] : apps_) {
        if (booted) {
            carry_out(*app, app->machine.found_after_boot(loop_.now()));
        } else if (with_facts.count(id) == 0) {
            carry_out(*app, app->machine.found_nothing(loop_.now()));
        }
    }
    store_.set_meta("boot", boot_id_);
    // A keeper that we started ourselves carries on; one that was started before us and has not
    // seen an agent yet means a fresh start of this home.
    const std::string last = store_.meta("session");
    store_.set_meta("session", session);
    if (!std::exchange(connected_before_, true) && last != session) {
        autostart();
    }
}

void Registry::autostart() {
    for (const auto& [id, app] : apps_) {
        const State state = app->machine.state();
        const bool down =
            state == State::Stopped || state == State::Exited || state == State::Failed;
        if (down && app->machine.spec().autostart && !app->machine.held()) {
            (void)request(id, Event::Start, {"autostart"});  // a refusal means that it runs
        }
    }
}

void Registry::on_fact(const keeperlink::Message& message) {
    const auto app_of = [this](const RunName& run) {
        App* const app = find_mutable(run.id);
        return app != nullptr && app->machine.generation() == run.generation ? app : nullptr;
    };
    Input input;
    if (const auto* started = std::get_if<keeperlink::Started>(&message)) {
        if (App* const app = app_of(started->run)) {
            input.event = Event::Spawned;
            input.pid = started->pid;
            input.when = wall_time(started->wall_ns);
            feed(*app, input);
        }
    } else if (const auto* failed = std::get_if<keeperlink::StartFailed>(&message)) {
        if (App* const app = app_of(failed->run)) {
            input.event = Event::SpawnFailed;
            input.problem = start_problem(failed->stage, failed->os_errno, app->running_spec);
            feed(*app, input);
        }
    } else if (const auto* exited = std::get_if<keeperlink::Exited>(&message)) {
        if (App* const app = app_of(exited->run)) {
            input.event = Event::LeaderEnded;
            input.exit = exit_status(exited->wait_status, exited->status_known);
            input.when = wall_time(exited->wall_ns);
            input.tree_gone = exited->tree_gone;
            feed(*app, input);
        }
    } else if (const auto* gone = std::get_if<keeperlink::TreeGone>(&message)) {
        if (App* const app = app_of(gone->run)) {
            input.event = Event::TreeGone;
            feed(*app, input);
        }
    } else if (const auto* fact = std::get_if<RunFact>(&message)) {
        reconcile(*fact);  // the answer to a Start that was said twice
    } else if (const auto* refused = std::get_if<keeperlink::InputRefused>(&message)) {
        if (const App* const app = app_of(refused->run)) {
            store::EventRow event;
            event.time = loop_.now().wall;
            event.app = app->row.id;
            event.state = supervisor::public_state(app->machine.state());
            event.text = "input refused: " + refused->reason;
            (void)store_.add_event(event);
            changed_.insert(app->row.id);
        }
    }
}

// --- the end of a turn
// -----------------------------------------------------------------------------

void Registry::flush() {
    begin_waiting();
    if (shutting_down_) {
        stop_next();
    }
    commit();
    if (!changed_.empty() || !removed_.empty()) {
        const auto changed = std::exchange(changed_, {});
        const auto removed = std::exchange(removed_, {});
        observers_.changed(changed, removed);
    }
    if (shutting_down_ && to_forget_.empty() && !anything_active() &&
        !std::exchange(down_told_, true)) {
        loop_.post([this] { observers_.all_down(); });
    }
}

bool Registry::anything_active() const {
    return std::any_of(apps_.begin(), apps_.end(), [](const auto& entry) {
        return is_active(supervisor::public_state(entry.second->machine.state()));
    });
}

void Registry::commit() {
    for (const std::string& id : std::exchange(dirty_, {})) {
        if (App* const app = find_mutable(id)) {
            app->row.memory = app->machine.memory();
            store_.save_memory(id, app->row.memory);
        }
    }
    if (!store_.dirty() && to_forget_.empty()) {
        return;
    }
    if (auto committed = store_.commit(); !committed) {
        if (!std::exchange(store_broken_, true)) {
            log::error("cannot store the state, supervision goes on",
                       {{"error", committed.error().message}});
        }
        // What was rolled back is written anew; the keeper keeps the facts meanwhile.
        for (const auto& [id, app] : apps_) {
            store_.save_app(app->row);
        }
        store_retry_ = loop_.after(kStoreRetry, [] {});
        return;
    }
    if (std::exchange(store_broken_, false)) {
        log::info("the state is stored again");
    }
    for (const RunName& run : std::exchange(to_forget_, {})) {
        keeper_.send(keeperlink::Forget{run});
    }
}

void Registry::shut_down() {
    shutting_down_ = true;  // flush() does the rest, turn by turn
}

// Stops what nobody needs any more; the rest follows as these end.
void Registry::stop_next() {
    std::set<std::string> needed;
    for (const auto& [id, app] : apps_) {
        if (is_active(supervisor::public_state(app->machine.state()))) {
            needed.insert(app->machine.spec().requires_apps.begin(),
                          app->machine.spec().requires_apps.end());
        }
    }
    for (const auto& [id, app] : apps_) {
        const State state = app->machine.state();
        const bool stoppable = state == State::Spawning || state == State::Starting ||
                               state == State::Running || state == State::Backoff ||
                               state == State::Waiting;
        if (stoppable && needed.count(id) == 0) {
            Input input;
            input.event = Event::Stop;
            input.keep_desired = true;
            input.actor = "the end of the agent";
            feed(*app, input);
        }
    }
}

// --- what there is
// ---------------------------------------------------------------------------------

AppStatus Registry::status(const App& app) const {
    AppStatus status;
    const AppSpec& spec = app.machine.spec();
    app.machine.describe(status);
    status.id = app.row.id;
    status.agent = launch_.agent;
    status.name = spec.name.empty() ? spec.id : spec.name;
    status.comment = spec.comment;
    status.cpu_percent = app.sample.cpu_percent;
    status.rss_bytes = app.sample.rss_bytes;
    status.processes = app.sample.processes;
    status.command = spec.command;
    status.path = app.row.folder;
    status.descriptor = app.row.descriptor;
    status.descriptor_kind = spec.descriptor;
    status.backend = BackendType::Native;
    status.backend_id = status.last_pid ? std::to_string(keeper_.keeper_pid()) : std::string();
    status.tty = spec.tty;
    status.autostart = spec.autostart;
    status.tags = spec.tags;
    status.changed_on_disk = is_active(status.state) && !(app.running_spec == spec);
    return status;
}

std::set<std::string> Registry::sample(Duration fresh) {
    std::set<std::string> updated;
    const MonoTime now = loop_.now().mono;
    for (const auto& [id, app] : apps_) {
        AppStatus status;
        app->machine.describe(status);
        const bool known = status.pid && app->sample.leader == *status.pid;
        if (!status.pid || (known && now - app->sample.at < fresh)) {
            continue;
        }
        const std::string cgroup = keeper_.cgroup().empty() ? "" : keeper_.cgroup() + "/" + id;
        const Sample before = app->sample;
        app->sample = take_sample(*status.pid, cgroup, before, now);
        const auto rounded = [](const Sample& s) {
            return std::lround(s.cpu_percent.value_or(-1) * 10);
        };
        if (before.rss_bytes != app->sample.rss_bytes || rounded(before) != rounded(app->sample)) {
            updated.insert(id);
        }
    }
    return updated;
}

}  // namespace berth::registry
