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
        environment;              // "NAME=VALUE" of the shell that loaded it; empty: the agent's
    bool installed = false;       // lives below repos/
    std::string started_with;     // a digest of what the present run was started with
    std::uint64_t crash_due = 0;  // the run whose crash is still to be written down; 0: none
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
// of the loop is one transaction: the first write begins it, commit() ends it.
//
// What people said (start, stop, load …) is on the disk before it is acknowledged. What was merely
// seen of runs is in the kernel's memory when it is committed: kill -9 loses nothing of it. A power
// cut may lose what came after the last flush(), and with it every run there was.
class Store {
public:
    // Opens or makes FILE; brings an older schema up to date in one transaction.
    static Result<std::unique_ptr<Store>> open(const std::string& file);

    // One that is gone with it.
    static Result<std::unique_ptr<Store>> open_in_memory();
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    // Whether the file still has its name: somebody may have removed it, or put another there. Looks
    // at the disk.
    enum class Place : std::uint8_t { Own, Gone, Other };
    [[nodiscard]] Place place() const;

    [[nodiscard]] const std::string& file() const;

    // Writes what it knows to its name anew, for the next one that opens it; not within a turn's
    // transaction.
    Result<void> put_back();

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

    // With the number that it has; one that is stored already stays. The oldest beyond 20,000 are
    // dropped.
    void add_event(const EventRow& event);

    // The highest number of an event; 0: there is none.
    std::uint64_t last_event();
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

    // This turn holds what somebody said: its commit waits for the disk. So do changes of what is
    // registered, of instances and peers by themselves.
    void keep_said();

    // Ends the open transaction. Error: nothing of it is stored (the disk is full, mostly).
    Result<void> commit();

    // Waits until all that was committed is on the disk. Nothing to do within a transaction.
    Result<void> flush();

    // From now on every write fails, or none any more: as on a full disk.
    void refuse_writes(bool refused);
    [[nodiscard]] bool unflushed() const;
    [[nodiscard]] bool dirty() const;

private:
    struct Impl;
    explicit Store(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
