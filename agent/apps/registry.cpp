#include "agent/apps/registry.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>

#include "agent/backend/native/limits.h"
#include "shared/base/ensure.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::apps {

using keeperlink::RunName;
using supervisor::Effects;
using supervisor::Event;
using supervisor::Input;
using supervisor::State;

namespace {

constexpr Duration kStoreRetry = std::chrono::seconds(2);
constexpr Duration kStoreFlush = std::chrono::seconds(1);
constexpr Duration kHung = std::chrono::seconds(1);   // a keeper that takes as long to answer does
constexpr std::ptrdiff_t kMostUnstoredEvents = 1000;  // while the disk is full

}  // namespace

Registry::Registry(loop::EventLoop& loop,
                   store::Store& store,
                   native::KeeperClient& keeper,
                   native::LaunchContext launch,
                   Observers observers)
    : loop_(loop),
      store_(store),
      keeper_(keeper),
      inputs_(loop, keeper),
      launch_(std::move(launch)),
      observers_(std::move(observers)),
      resolver_(loop),
      engine_(std::random_device{}()) {
    clock_hook_ = loop_.on_clock_set([this](Duration by) { clock_set(by); });
    flush_hook_ = loop_.before_sleep([this] {
        flush();
        return !changed_.empty() || !removed_.empty();
    });
}

double Registry::random() {
    return std::generate_canonical<double, 53>(engine_);
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
        // One that cannot start says so at once, instead of waiting for others first.
        input.needs_met = input.needs_met || !obstacles(id).empty();
    }
    const Effects effects = app->machine.step(input, loop_.now(), random());
    if (effects.rejected) {
        return fail(ErrorCode::WrongState, effects.reason);
    }
    store_.keep_said();
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
    if (app->machine.occupied()) {
        return fail(ErrorCode::WrongState, "must be inactive");
    }
    BERTH_CHECK(os::remove_tree(log_folder(id)));
    record_event(
        id, AppState::Stopped, "cleaned" + (actor.text.empty() ? "" : " by " + actor.text));
    std::erase_if(unstored_runs_, [&id](const store::RunRow& run) { return run.id == id; });
    store_.remove_app(id);
    schedules_->remove(id);
    figures_.remove(id);
    apps_.erase(id);
    changed_.erase(id);
    removed_.insert(id);
    return {};
}

Result<void> Registry::input(const std::string& id,
                             std::string data,
                             Duration patience,
                             Inputs::Answer answer) {
    BERTH_TRY(const App* const app, require(id));
    const State state = app->machine.state();
    if (state != State::Running && state != State::Starting) {
        return fail(ErrorCode::WrongState, "must be active");
    }
    inputs_.send({id, app->machine.generation()}, std::move(data), patience, std::move(answer));
    return {};
}

void Registry::resize(const std::string& id, std::uint32_t rows, std::uint32_t columns) {
    if (const App* const app = find(id)) {
        keeper_.send(keeperlink::Resize{{id, app->machine.generation()}, rows, columns});
    }
}

// --- effects
// ---------------------------------------------------------------------------------------

void Registry::feed(App& app, const Input& input) {
    carry_out(app, app.machine.step(input, loop_.now(), random()));
}

void Registry::carry_out(App& app, const Effects& effects) {
    if (effects.run_ended) {
        end_run(app, effects.crashed);
    }
    if (effects.hook_ended) {
        end_hook(app);
    }
    if (effects.changed) {
        mark(app);
        note(app);
    }
    arm(app);
    care(app);
    if (app.machine.state() == State::Waiting || app.machine.state() == State::Storing) {
        expectant_.insert(app.row.id);
    }
    if (effects.signal) {
        end_tree(app, *effects.signal);
    }
    if (effects.kill) {
        signal(app, SIGKILL);
    }
    if (effects.spawn) {
        spawn(app);
    }
    if (effects.hook) {
        spawn_hook(app);
    }
}

void Registry::signal(App& app, int number) {
    keeper_.send(keeperlink::Signal{
        {app.row.id, app.machine.generation()}, number, keeperlink::SignalScope::Tree});
}

void Registry::mark(App& app) {
    dirty_.insert(app.row.id);
    changed_.insert(app.row.id);
}

void Registry::arm(App& app) {
    const auto deadline = app.machine.deadline();
    if (!deadline) {
        app.timer.reset();
        return;
    }
    const std::string id = app.row.id;
    app.timer = loop_.at(*deadline, [this, id] { on_deadline(id); });
}

// A run that should have ended, or be ready, by now may have told so to a keeper that hangs: its
// time counts from when the keeper goes on.
void Registry::on_deadline(const std::string& id) {
    App* const due = find_mutable(id);
    if (due == nullptr) {
        return;
    }
    const State state = due->machine.state();
    if (state != State::Starting && state != State::Stopping) {
        return deadline_passed(*due);
    }
    const auto deadline = due->machine.deadline();
    keeper_.confirm([this, id, deadline](Duration took) {
        App* const app = find_mutable(id);
        if (app == nullptr || app->machine.deadline() != deadline) {
            return;
        }
        if (took < kHung) {
            return deadline_passed(*app);
        }
        const AppSpec& spec = app->machine.spec();
        const bool stopping = app->machine.state() == State::Stopping;
        app->machine.extend(stopping ? spec.stop.timeout : spec.ready.timeout, loop_.now());
        arm(*app);
    });
}

void Registry::deadline_passed(App& app) {
    Input input;
    input.event = Event::Deadline;
    input.problem = app.check ? app.check->evidence() : std::string();
    fill_needs(app, input);
    feed(app, input);
}

void Registry::clock_set(Duration by) {
    set_brought_up(brought_up_ + by);
    for (const auto& [id, app] : apps_) {
        app->machine.clock_set(by);
        mark(*app);
    }
    figures_.clock_set(by);
}

// --- the end of a turn
// -----------------------------------------------------------------------------

void Registry::flush() {
    if (shutting_down_) {
        stop_next();
    }
    commit();
    look_after_expectant();
    drop_surplus();
    commit();
    if (!crashed_.empty()) {
        loop_.post([this] { keep_crashes(); });
    }
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
        return entry.second->machine.occupied();
    });
}

void Registry::commit() {
    for (const std::string& id : std::exchange(dirty_, {})) {
        if (App* const app = find_mutable(id)) {
            app->row.memory = app->machine.memory();
            store_.save_memory(app->row);
        }
    }
    for (const store::RunRow& run : unstored_runs_) {
        store_.add_run(run);
    }
    for (const store::EventRow& event : unstored_events_) {
        (void)store_.add_event(event);
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
        if (unstored_events_.size() > kMostUnstoredEvents) {
            unstored_events_.erase(unstored_events_.begin(),
                                   unstored_events_.end() - kMostUnstoredEvents);
        }
        store_retry_ = loop_.after(kStoreRetry, [] {});
        return;
    }
    if (std::exchange(store_broken_, false)) {
        log::info("the state is stored again");
    }
    unstored_runs_.clear();
    unstored_events_.clear();
    flush_later();
    look_after_store();
    for (const RunName& run : std::exchange(to_forget_, {})) {
        keeper_.send(keeperlink::Forget{run});
    }
}

std::vector<std::string> Registry::complaints() const {
    std::vector<std::string> all = repos_problems_;
    if (!store_problem_.empty()) {
        all.push_back(store_problem_);
    }
    return all;
}

void Registry::look_after_store() {
    constexpr Duration kLook = std::chrono::seconds(1);
    const MonoTime now = loop_.now().mono;
    if (now - store_looked_at_ < kLook || store_.dirty()) {
        return;
    }
    store_looked_at_ = now;
    const store::Store::Place place = store_.place();
    if (place == store::Store::Place::Own) {
        return;
    }
    const std::string file = launch_.home + "/agent.db";
    if (place == store::Store::Place::Other) {
        store_problem_ = file + " was replaced while this agent runs on the one before; it takes "
                                "the new one when it begins anew: berth agent upgrade";
        return;
    }
    if (auto back = store_.put_back(); !back) {
        store_problem_ = file + " was removed and cannot be put back: " + back.error().message;
        return;
    }
    log::warning("the database was removed; it is put back, and the agent begins anew", {{"file", file}});
    observers_.begin_anew();
}

// What was seen of runs is on the disk within a second; nobody waits for it.
void Registry::flush_later() {
    if (!store_.unflushed() || store_flush_.active()) {
        return;
    }
    store_flush_ = loop_.after(kStoreFlush, [this] {
        if (auto flushed = store_.flush(); !flushed) {
            log::warning("the state is not on the disk yet", {{"why", flushed.error().message}});
        }
    });
}

void Registry::shut_down() {
    shutting_down_ = true;  // flush() does the rest, turn by turn
}

// Stops what nobody needs any more; the rest follows as these end.
void Registry::stop_next() {
    std::set<std::string> needed;
    for (const auto& [id, app] : apps_) {
        if (!app->machine.occupied()) {
            continue;
        }
        for (const Requirement& need : app->machine.spec().requires_apps) {
            for (const App* const one : needed_by(need.id)) {
                needed.insert(one->row.id);
            }
        }
    }
    for (const auto& [id, app] : apps_) {
        const State state = app->machine.state();
        const bool stoppable = state == State::Spawning || state == State::Starting ||
                               state == State::Running || state == State::Backoff ||
                               state == State::Waiting || state == State::Queued;
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
    status.instance_of = spec.instance_of;
    status.check = app.check ? app.check->evidence() : std::string();
    status.said = app.said;
    status.schedule = spec.schedule.cron;
    status.next_run = app.machine.held() ? std::nullopt : schedules_->next(app.row.id);
    status.limits = native::limits_of(is_active(status.state) ? app.running_spec->limits : spec.limits,
                              keeper_.controllers());
    status.descriptor_note = app.descriptor_note;
    status.log_note = app.log_note;
    status.changed_on_disk = is_active(status.state) && app.row.started_with != app.digest;
    return status;
}

void Registry::sample(Duration fresh) {
    const MonoTime now = loop_.now().mono;
    for (const auto& [id, app] : apps_) {
        AppStatus status;
        app->machine.describe(status);
        const bool known = status.pid && app->sample.leader == *status.pid;
        if (!status.pid || (known && now - app->sample.at < fresh)) {
            continue;
        }
        const std::string cgroup = keeper_.cgroup().empty() ? "" : keeper_.cgroup() + "/" + id;
        app->sample = native::take_sample(*status.pid, cgroup, app->sample, now);
    }
}

std::set<std::string> Registry::untold_figures() {
    std::set<std::string> untold;
    for (const auto& [id, app] : apps_) {
        App::Figures figures{app->sample.rss_bytes, std::nullopt};
        if (app->sample.cpu_percent) {
            figures.cpu_tenths = std::lround(*app->sample.cpu_percent * 10);
        }
        if (app->told != figures) {
            app->told = figures;
            untold.insert(id);
        }
    }
    return untold;
}

}  // namespace berth::apps
