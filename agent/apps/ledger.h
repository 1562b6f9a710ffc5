#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/table.h"
#include "agent/backend/backend.h"
#include "agent/events/stream.h"
#include "agent/store/store.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::apps {

// What the turns of the loop want stored. All of one turn is one transaction: commit() ends it.
// While the disk refuses, everything is kept and written anew, and the backend keeps the ends of
// runs until they are stored. Owned by Apps. Loop thread.
class Ledger {
public:
    struct Owner {
        // The end of this run is on the disk, or needs no storing.
        std::function<void(const backend::RunName& run)> forget;
        // The database was put back: the next agent opens it.
        std::function<void()> begin_anew;
    };

    Ledger(loop::EventLoop& loop,
           store::Store& store,
           const Table& table,
           const events::Stream& stream,
           Owner owner);

    // --- what is to be stored
    void touch(const std::string& id) { touched_.insert(id); }  // what changes while it runs

    void save(const App& app);           // all of it
    void remove(const std::string& id);  // with its runs and crashes
    void run_ended(store::RunRow run);

    // Told to the backend once all of this turn is stored.
    void forget(const backend::RunName& run) { to_forget_.push_back(run); }

    // How many runs of this app the backend is still to forget.
    [[nodiscard]] std::size_t unforgotten(const std::string& id) const;

    void add_crash(store::CrashRow crash);

    // This turn holds what somebody asked for: its commit waits for the disk.
    void require_durable() { store_.turn().require_durable(); }

    // Stores it; then the backend may forget. Does nothing when there is nothing.
    void commit();

    // The disk refuses: the last commit failed.
    [[nodiscard]] bool refused() const { return refused_; }

    // All that has happened is stored and forgotten.
    [[nodiscard]] bool settled() const { return to_forget_.empty(); }

    // --- what is stored, or is to be
    [[nodiscard]] Result<std::vector<store::AppRow>> apps() const { return store_.apps().load(); }

    [[nodiscard]] std::vector<store::RunRow> runs(const std::string& id, std::size_t limit) const;

    // When the last runs of an app began, in any order, those that are not stored yet included.
    [[nodiscard]] std::vector<WallTime> run_starts(const std::string& id, std::size_t limit) const;

    [[nodiscard]] std::string meta(const std::string& key) const;

    void set_meta(const std::string& key, const std::string& value);

    [[nodiscard]] std::uint32_t scale(const std::string& app) const;

    void set_scale(const std::string& app, std::uint32_t count);

    // Looks whether the database still has its name, once a second at the most; one that was
    // removed is put back.
    void look_after_store();

    // What somebody has done to the database from outside; empty, mostly.
    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    void take_events();
    void write_anew();
    void commit_failed(const Error& error);
    void flush_later();

    loop::EventLoop& loop_;
    store::Store& store_;
    const Table& table_;
    const events::Stream& stream_;
    Owner owner_;
    std::set<std::string> touched_;
    std::vector<backend::RunName> to_forget_;

    // What this turn, or those before it whose commit failed, has written: written anew then.
    struct Unstored {
        std::vector<store::RunRow> runs;
        std::vector<store::CrashRow> crashes;
        std::vector<store::EventRow> events;
        std::set<std::string> removed;  // before what there is of a new one by that id
        std::map<std::string, std::string> meta;
        std::map<std::string, std::uint32_t> scales;
    };

    Unstored unstored_;
    std::uint64_t taken_until_;  // of the stream
    bool refused_ = false;
    std::string problem_;
    MonoTime looked_at_;
    loop::Registration retry_;
    loop::Registration flush_;
};

}  // namespace berth::apps
