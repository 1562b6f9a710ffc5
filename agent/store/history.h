#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/store/turn.h"
#include "shared/model/app_status.h"
#include "shared/time/clock.h"

namespace berth::store {

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

// What has happened: runs, events, crashes. All of it bounded. Loop thread.
class History {
public:
    explicit History(Turn& turn) : turn_(turn) {}

    // One that is known already stays.
    void add_run(const RunRow& run);
    [[nodiscard]] std::vector<RunRow> runs(const std::string& id, std::size_t limit);

    // With the number that it has; one that is stored already stays. The oldest beyond 20,000 are
    // dropped.
    void add_event(const EventRow& event);

    // The highest number of an event; 0: there is none.
    [[nodiscard]] std::uint64_t last_event();
    [[nodiscard]] std::vector<EventRow> events_after(std::uint64_t sequence, std::size_t limit);
    [[nodiscard]] std::vector<EventRow> last_events(std::size_t limit);
    [[nodiscard]] std::vector<EventRow> events_of(const std::string& app, std::size_t limit);

    // Counts to its group. The newest 50 of an app are kept, and 100 groups.
    void add_crash(const CrashRow& crash);
    [[nodiscard]] std::vector<CrashRow> crashes(const std::string& id,
                                                std::size_t limit);             // newest first
    [[nodiscard]] std::vector<CrashGroup> crash_groups(const std::string& id);  // "": of all apps

private:
    static constexpr std::uint64_t kEventsBetweenTrims = 256;

    Turn& turn_;
    std::uint64_t events_since_trim_ = kEventsBetweenTrims - 1;  // each agent begins with one
};

}  // namespace berth::store
