#include "agent/apps/apps.h"

#include <utility>

#include "agent/apps/run_log.h"
#include "shared/base/text.h"
#include "shared/log/log.h"

namespace berth::apps {

namespace {

constexpr std::size_t kKnownRuns = 100;  // whose lines in the log are told apart

// Of the agents of this home: none of them began at the same time.
std::uint64_t epoch_of(WallTime began) {
    return static_cast<std::uint64_t>(began.time_since_epoch().count());
}

}  // namespace

Apps::Apps(loop::EventLoop& loop,
           store::Store& store,
           backend::Backend& backend,
           loop::WorkerPool& pool,
           Options options)
    : loop_(loop), store_(store), backend_(backend), pool_(pool), options_(std::move(options)) {}

Result<std::unique_ptr<Apps>> Apps::create(loop::EventLoop& loop,
                                           store::Store& store,
                                           backend::Backend& backend,
                                           loop::WorkerPool& pool,
                                           const Options& options,
                                           Owner owner) {
    std::unique_ptr<Apps> apps(new Apps(loop, store, backend, pool, options));
    BERTH_CHECK(apps->build(std::move(owner)));
    return apps;
}

Result<void> Apps::build(Owner owner) {
    owner_ = std::move(owner);
    stream_ =
        std::make_unique<events::Stream>(epoch_of(loop_.now().wall), store_.history().last_event());
    told_until_ = stream_->last();
    ledger_ = std::make_unique<Ledger>(
        loop_,
        store_,
        table_,
        *stream_,
        Ledger::Owner{[this](const backend::RunName& run) { backend_.forget(run); },
                      [this] { owner_.begin_anew(); }});
    figures_ = std::make_unique<figures::Sampler>(loop_, backend_, [this] {
        std::vector<figures::Subject> subjects;
        for (const auto& [id, app] : table_.all()) {
            if (const auto pid = app->machine.pid()) {
                subjects.push_back({app->run(), *pid});
            }
        }
        return subjects;
    });
    const auto log_folder = [this](const std::string& id) { return options_.home + "/logs/" + id; };
    crashes_ = std::make_unique<CrashBook>(loop_, table_, *ledger_, *figures_, log_folder);
    BERTH_TRY(care_,
              RunCare::create(
                  loop_,
                  backend_,
                  {[this](const std::string& id) { return std::as_const(table_).find(id); },
                   [this](const std::string& id, checks::Purpose purpose, const std::string& why) {
                       conductor_->checked(id, purpose, why);
                   },
                   [this](const std::string& id) { conductor_->shown(id); },
                   log_folder}));
    conductor_ = std::make_unique<Conductor>(Conductor::Parts{
        loop_, table_, backend_, *ledger_, *stream_, *care_, *crashes_, *figures_});
    BERTH_TRY(schedules_, ScheduledRuns::create(loop_, table_, *ledger_, *conductor_));
    catalog_ = std::make_unique<Catalog>(
        Catalog::Parts{loop_, table_, *ledger_, backend_, *conductor_, *schedules_, pool_},
        options_.home);
    facts_ = std::make_unique<FactIntake>(
        loop_, table_, backend_, *ledger_, *care_, *conductor_, options_.standby, [this] {
            schedules_->look();
        });
    facts_->on_problem([this] { owner_.problem_changed(); });
    if (!options_.figures_file.empty()) {
        figures_->keep_in(options_.figures_file);
    }
    const auto brought_up = parse_integer<std::int64_t>(ledger_->meta("brought_up"));
    conductor_->recall_brought_up(WallTime(Duration(brought_up.value_or(0))));
    BERTH_CHECK(catalog_->restore());
    turn_hook_ = loop_.before_sleep([this] {
        end_turn();
        return stream_->last() > told_until_;  // what the readers of this turn have caused
    });
    return {};
}

// How the last runs have ended is to be stored first. On a full disk that may take for ever: then
// the backend keeps it for the next agent, as nobody has told it to forget.
void Apps::look_whether_down() {
    constexpr Duration kPatience = std::chrono::seconds(3);
    if (ledger_->settled()) {
        down_told_ = true;
        loop_.post([this] { owner_.all_down(); });
    } else if (!patience_.active()) {
        patience_ = loop_.after(kPatience, [this] {
            log::error(
                "all apps have ended, but how cannot be stored; the next agent is told again");
            down_told_ = true;
            owner_.all_down();
        });
    }
}

void Apps::end_turn() {
    conductor_->stop_unneeded();
    ledger_->commit();
    conductor_->wake_waiting();
    schedules_->begin_queued();
    catalog_->settle_succession();
    ledger_->commit();
    if (const std::uint64_t last = stream_->last(); last > told_until_) {
        told_until_ = last;
        owner_.happened();
        stream_->trim(loop_.now().wall);
    }
    if (conductor_->shutting_down() && !table_.any_occupied() && !down_told_) {
        look_whether_down();
    }
}

AppStatus Apps::status(const App& app) const {
    AppStatus status = app.described();
    const AppSpec& spec = app.spec();
    const backend::Sample sample = figures_->of(app.id());
    status.id = app.id();
    status.agent = options_.agent;
    status.name = spec.name.empty() ? spec.id : spec.name;
    status.comment = spec.comment;
    status.cpu_percent = sample.cpu_percent;
    status.rss_bytes = sample.rss_bytes;
    status.processes = sample.processes;
    status.command = spec.command;
    status.path = app.registration.folder;
    status.descriptor = app.registration.descriptor;
    status.descriptor_kind = spec.descriptor;
    status.backend = BackendType::Native;
    status.backend_id = status.last_pid ? backend_.id_of(app.run()) : std::string();
    status.tty = spec.tty;
    status.autostart = spec.autostart;
    status.tags = spec.tags;
    status.instance_of = spec.instance_of;
    status.check = care_->evidence(app.id());
    status.said = app.status_text;
    status.schedule = spec.schedule.cron;
    status.next_run = schedules_->next(app);
    status.limits = backend_.limits(app.machine.active() ? app.running_spec->limits : spec.limits);
    status.descriptor_note = app.descriptor_note;
    status.log_note = app.log_note;
    status.changed_on_disk = app.machine.active() && app.started_with != app.digest;
    return status;
}

std::vector<std::string> Apps::awaited(const App& app) const {
    return conductor_->needs().awaited(
        app.spec(), [this](const std::string& id) { return care_->evidence(id); });
}

std::vector<wire::LogLine> Apps::last_lines_of_run(const App& app, std::size_t count) const {
    return last_lines_of(catalog_->log_folder(app.id()), app.described(), count);
}

std::vector<WallTime> Apps::run_starts(const std::string& id) const {
    std::vector<WallTime> starts = ledger_->run_starts(id, kKnownRuns);
    if (const App* const app = find(id); app != nullptr && app->machine.started()) {
        starts.push_back(*app->machine.started());
    }
    return starts;
}

std::vector<std::string> Apps::complaints() const {
    std::vector<std::string> all = catalog_->complaints();
    if (!ledger_->problem().empty()) {
        all.push_back(ledger_->problem());
    }
    return all;
}

}  // namespace berth::apps
