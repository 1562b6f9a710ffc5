#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/supervisor/machine.h"
#include "shared/base/result.h"
#include "shared/model/app_status.h"

namespace berth::store {

// An app of this home as it is registered.
struct AppRow {
    std::string id;
    std::string descriptor;  // path of its file
    std::string text;        // what the file said when it was loaded
    std::string folder;      // the app's directory
    std::vector<std::string>
        environment;           // "NAME=VALUE" of the shell that loaded it; empty: the agent's
    bool installed = false;    // lives below repos/
    std::string started_with;  // a digest of what the present run was started with
    supervisor::Machine::Memory memory;
};

// One run that has ended.
struct RunRow {
    std::string id;
    std::uint64_t generation = 0;
    WallTime started;
    WallTime ended;
    std::optional<ExitStatus> exit;  // unset: it failed before exec
    std::string how;
};

// Something that happened to an app.
struct EventRow {
    std::uint64_t sequence = 0;
    WallTime time;
    std::string app;
    AppState state = AppState::Stopped;
    std::string text;
};

// An end that nobody wanted, with what is needed to understand it.
struct CrashRow {
    std::string id;
    std::uint64_t generation = 0;
    WallTime time;
    std::string signature;  // the same for crashes that are alike
    std::string how;
    std::string bundle;  // JSON
};

// Crashes of one app that are alike.
struct CrashGroup {
    std::string id;
    std::string signature;
    std::string how;  // of the last one
    std::uint64_t count = 0;
    WallTime first;
    WallTime last;
    std::uint64_t generation = 0;  // of the last one
};

// The agent's database, in the home. Used by the loop thread alone. What is written within one turn
// of the loop is one transaction: begin() starts it when none is open, commit() ends it. A commit
// that fails (the disk is full) keeps the changes pending in memory, see pending().
class Store {
public:
    // Opens or makes FILE; brings an older schema up to date in one transaction.
    static Result<std::unique_ptr<Store>> open(const std::string& file);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    Result<std::vector<AppRow>> load_apps();
    void save_app(const AppRow& app);        // all of it
    void save_memory(const AppRow& app);     // what changes while it runs
    void remove_app(const std::string& id);  // with its runs and crashes

    void add_run(const RunRow& run);
    std::vector<RunRow> runs(const std::string& id, std::size_t limit);

    // Counts to its group. The newest 50 of an app are kept, and 100 groups.
    void add_crash(const CrashRow& crash);
    std::vector<CrashRow> crashes(const std::string& id, std::size_t limit);  // newest first
    std::vector<CrashGroup> crash_groups(const std::string& id);              // "": of all apps

    // How many instances somebody wants of an app; 0: nobody has said.
    std::uint32_t scale(const std::string& app);
    void set_scale(const std::string& app, std::uint32_t count);

    // Gives the event's number. The oldest beyond 20,000 are dropped.
    std::uint64_t add_event(const EventRow& event);
    std::vector<EventRow> events_after(std::uint64_t sequence, std::size_t limit);
    std::vector<EventRow> last_events(std::size_t limit);
    std::vector<EventRow> events_of(const std::string& app, std::size_t limit);

    std::string meta(const std::string& key);
    void set_meta(const std::string& key, const std::string& value);

    struct Peer {
        std::string key;
        std::string name;
    };

    std::vector<Peer> peers();
    void add_peer(const Peer& peer);
    bool remove_peer(const std::string& key);

    // Ends the open transaction. Error: it is not on the disk; it stays open and is tried again at
    // the next commit.
    Result<void> commit();
    [[nodiscard]] bool dirty() const;

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
