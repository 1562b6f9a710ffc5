#include "agent/apps/crash_book.h"

#include <utility>
#include <vector>

#include "agent/apps/crash_bundle.h"
#include "agent/apps/run_log.h"

namespace berth::apps {

namespace {

constexpr std::size_t kLines = 40;
constexpr std::size_t kFigures = 24;  // two minutes, when somebody has looked
constexpr std::size_t kRuns = 16;     // as far back as a crash may still be owed

}  // namespace

CrashBook::CrashBook(loop::EventLoop& loop,
                     Table& table,
                     Ledger& ledger,
                     const figures::Sampler& sampler,
                     LogFolder log_folder)
    : loop_(loop),
      table_(table),
      ledger_(ledger),
      sampler_(sampler),
      log_folder_(std::move(log_folder)) {}

void CrashBook::crashed(App& app, AppStatus status) {
    write(app.id());  // the one before, if it is still to be
    app.crash_due = app.machine.generation();
    due_[app.id()] = {std::move(status), app.running_spec};
    write_soon();
}

void CrashBook::recall(App& app) {
    if (app.crash_due == 0) {
        return;
    }
    AppStatus status;
    for (const store::RunRow& run : ledger_.runs(app.id(), kRuns)) {
        if (run.generation == app.crash_due) {
            status.started = run.started;
            status.finished = run.ended;
            status.exit = run.exit;
            status.reason = run.how;
        }
    }
    if (!status.started) {
        app.crash_due = 0;  // the run itself is not known any more
        return;
    }
    due_[app.id()] = {std::move(status), app.running_spec};
    write_soon();
}

void CrashBook::write_soon() {
    if (soon_.active()) {
        return;
    }
    soon_ = loop_.after(Duration::zero(), [this] {
        soon_.reset();
        std::vector<std::string> ids;
        for (const auto& [id, crash] : due_) {
            ids.push_back(id);
        }
        for (const std::string& id : ids) {
            write(id);
        }
    });
}

void CrashBook::write(const std::string& id) {
    const auto found = due_.find(id);
    App* const app = table_.find(id);
    if (found == due_.end() || app == nullptr) {
        return;
    }
    const Crash due = std::move(found->second);
    due_.erase(found);
    AppStatus status = due.status;
    status.command = due.spec->command;
    const auto lines = last_lines_of(log_folder_(id), status, kLines);
    store::CrashRow crash;
    crash.id = id;
    crash.generation = std::exchange(app->crash_due, 0);
    crash.time = status.finished.value_or(loop_.now().wall);
    crash.signature = crash_signature(status, lines);
    crash.how = status.reason;
    crash.bundle = crash_bundle(status, *due.spec, lines, sampler_.history().last(id, kFigures));
    ledger_.add_crash(std::move(crash));
    ledger_.touch(id);
}

}  // namespace berth::apps
