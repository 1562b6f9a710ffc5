#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "shared/model/app_status.h"
#include "shared/time/clock.h"

namespace berth::events {

enum class Kind : std::uint8_t {
    State,    // it went `from` one state `to` another, or stays in it for another reason
    Remark,   // something happened that is no change of state: a run was skipped
    Shown,    // something else that is shown of it has changed; not kept
    Removed,  // there is no such app any more
};

// Something that happened to an app.
struct Happened {
    std::uint64_t seq = 0;
    WallTime time;
    std::string app;
    Kind kind = Kind::State;
    AppState from = AppState::Stopped;
    AppState to = AppState::Stopped;
    std::string cause;     // the supervisor's event: "start", "leader-ended"; empty: not one of its
    std::string actor;     // who asked for it; empty: nobody
    std::string evidence;  // one sentence for people
};

// What happened, in order, numbered without gaps: written by the conductor in the turn in which it
// happens, one entry for each step of an app, however many of them fall into one turn. Who wants to
// know keeps a Cursor and reads at the end of the turn. Loop thread.
//
// Numbers go on over restarts of the agent from the last one that was stored. What was not stored
// when an agent died may be numbered again: the epoch tells such a life from another.
class Stream {
public:
    // `last`: the highest number that was given before.
    Stream(std::uint64_t epoch, std::uint64_t last) : epoch_(epoch), last_(last) {}

    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }

    [[nodiscard]] std::uint64_t last() const { return last_; }

    // Gives its number.
    std::uint64_t append(Happened happened);

    // Those after `seq`, oldest first. `complete` is false when some of them are dropped already.
    struct Part {
        std::vector<const Happened*> events;  // until the next append() or trim()
        bool complete = true;
    };

    [[nodiscard]] Part after(std::uint64_t seq) const;

    // Drops what is too much or too old. At the end of a turn, when its readers have read.
    void trim(WallTime now);

private:
    std::uint64_t epoch_;
    std::uint64_t last_;
    std::deque<Happened> events_;
};

// How far one reader has come.
class Cursor {
public:
    explicit Cursor(std::uint64_t seq = 0) : seq_(seq) {}

    // What it has not read yet.
    Stream::Part read(const Stream& stream);

    [[nodiscard]] bool behind(const Stream& stream) const { return seq_ < stream.last(); }

private:
    std::uint64_t seq_;
};

// Whose status is another now, and who is no more.
struct Changes {
    std::set<std::string> changed;
    std::set<std::string> removed;

    [[nodiscard]] bool empty() const { return changed.empty() && removed.empty(); }
};

Changes changes_of(const Stream::Part& part);

}  // namespace berth::events
