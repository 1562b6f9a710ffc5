#include "agent/apps/ledger.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "shared/log/log.h"

namespace berth::apps {

namespace {

constexpr Duration kRetry = std::chrono::seconds(2);
constexpr Duration kFlush = std::chrono::seconds(1);  // nobody waits for what was merely seen
constexpr Duration kLook = std::chrono::seconds(1);
constexpr std::ptrdiff_t kMostEvents = 1000;  // that wait for the disk

store::AppRow row_of(const App& app) {
    return {app.registration, app.started_with, app.crash_due, app.machine.memory()};
}

}  // namespace

Ledger::Ledger(loop::EventLoop& loop,
               store::Store& store,
               const Table& table,
               const events::Stream& stream,
               Owner owner)
    : loop_(loop),
      store_(store),
      table_(table),
      stream_(stream),
      owner_(std::move(owner)),
      taken_until_(stream.last()) {}

void Ledger::save(const App& app) {
    store_.apps().save(row_of(app));
}

void Ledger::remove(const std::string& id) {
    std::erase_if(unstored_.runs, [&id](const store::RunRow& run) { return run.id == id; });
    std::erase_if(unstored_.crashes,
                  [&id](const store::CrashRow& crash) { return crash.id == id; });
    unstored_.removed.insert(id);
    store_.apps().remove(id);
}

void Ledger::add_crash(store::CrashRow crash) {
    store_.history().add_crash(crash);
    unstored_.crashes.push_back(std::move(crash));
}

std::string Ledger::meta(const std::string& key) const {
    const auto unstored = unstored_.meta.find(key);
    return unstored != unstored_.meta.end() ? unstored->second : store_.settings().value(key);
}

std::uint32_t Ledger::scale(const std::string& app) const {
    const auto unstored = unstored_.scales.find(app);
    return unstored != unstored_.scales.end() ? unstored->second : store_.settings().scale(app);
}

void Ledger::set_meta(const std::string& key, const std::string& value) {
    unstored_.meta[key] = value;
    store_.settings().set_value(key, value);
}

void Ledger::set_scale(const std::string& app, std::uint32_t count) {
    unstored_.scales[app] = count;
    store_.settings().set_scale(app, count);
}

void Ledger::run_ended(store::RunRow run) {
    forget({run.id, run.generation});
    unstored_.runs.push_back(std::move(run));
}

std::size_t Ledger::unforgotten(const std::string& id) const {
    return static_cast<std::size_t>(std::count_if(
        to_forget_.begin(), to_forget_.end(), [&id](const auto& run) { return run.id == id; }));
}

// The stream drops what is old while the disk refuses.
void Ledger::take_events() {
    for (const events::Happened* const happened : stream_.after(taken_until_).events) {
        if (happened->kind == events::Kind::State || happened->kind == events::Kind::Remark) {
            unstored_.events.push_back(
                {happened->seq, happened->time, happened->app, happened->to, happened->evidence});
        }
    }
    taken_until_ = stream_.last();
}

void Ledger::commit() {
    if (refused_) {
        write_anew();
    }
    for (const std::string& id : std::exchange(touched_, {})) {
        if (const App* const app = table_.find(id)) {
            store_.apps().save_memory(row_of(*app));
        }
    }
    for (const store::RunRow& run : unstored_.runs) {
        store_.history().add_run(run);
    }
    take_events();
    for (const store::EventRow& event : unstored_.events) {
        store_.history().add_event(event);
    }
    if (!store_.turn().dirty() && to_forget_.empty()) {
        return;
    }
    if (auto committed = store_.turn().commit(); !committed) {
        return commit_failed(committed.error());
    }
    if (std::exchange(refused_, false)) {
        log::info("the state is stored again");
    }
    unstored_ = {};
    flush_later();
    look_after_store();
    for (const backend::RunName& run : std::exchange(to_forget_, {})) {
        owner_.forget(run);
    }
}

void Ledger::commit_failed(const Error& error) {
    if (!std::exchange(refused_, true)) {
        log::error("cannot store the state, supervision goes on", {{"error", error.message}});
    }
    if (std::ssize(unstored_.events) > kMostEvents) {
        unstored_.events.erase(unstored_.events.begin(), unstored_.events.end() - kMostEvents);
    }
    retry_ = loop_.after(kRetry, [] {});  // the turn that it begins commits
}

// All that was rolled back; the backend keeps the facts meanwhile. What others have written since
// goes with it.
void Ledger::write_anew() {
    if (store_.turn().database().failed()) {
        store_.turn().discard();
    }
    for (const std::string& id : unstored_.removed) {
        store_.apps().remove(id);
    }
    for (const auto& [id, app] : table_.all()) {
        store_.apps().save(row_of(*app));
    }
    for (const store::CrashRow& crash : unstored_.crashes) {
        store_.history().add_crash(crash);
    }
    for (const auto& [key, value] : unstored_.meta) {
        store_.settings().set_value(key, value);
    }
    for (const auto& [app, count] : unstored_.scales) {
        store_.settings().set_scale(app, count);
    }
}

void Ledger::flush_later() {
    if (!store_.turn().unflushed() || flush_.active()) {
        return;
    }
    flush_ = loop_.after(kFlush, [this] {
        if (auto flushed = store_.turn().flush(); !flushed) {
            log::warning("the state is not on the disk yet", {{"why", flushed.error().message}});
        }
    });
}

std::vector<store::RunRow> Ledger::runs(const std::string& id, std::size_t limit) const {
    return store_.history().runs(id, limit);
}

std::vector<WallTime> Ledger::run_starts(const std::string& id, std::size_t limit) const {
    std::vector<WallTime> starts;
    for (const store::RunRow& run : store_.history().runs(id, limit)) {
        starts.push_back(run.started);
    }
    for (const store::RunRow& run : unstored_.runs) {
        if (run.id == id) {
            starts.push_back(run.started);
        }
    }
    return starts;
}

void Ledger::look_after_store() {
    const MonoTime now = loop_.now().mono;
    if (now - looked_at_ < kLook || store_.turn().dirty()) {
        return;
    }
    looked_at_ = now;
    const db::Database::Place place = store_.turn().database().place();
    if (place == db::Database::Place::Own) {
        return;
    }
    const std::string& file = store_.turn().database().file();
    if (place == db::Database::Place::Other) {
        problem_ = file +
                   " was replaced while this agent runs on the one before; it takes "
                   "the new one when it begins anew: berth agent upgrade";
        return;
    }
    if (auto back = store_.turn().database().put_back(); !back) {
        problem_ = file + " was removed and cannot be put back: " + back.error().message;
        return;
    }
    log::warning("the database was removed; it is put back, and the agent begins anew",
                 {{"file", file}});
    owner_.begin_anew();
}

}  // namespace berth::apps
