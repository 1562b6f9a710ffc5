#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "shared/base/enum_names.h"
#include "shared/model/app_status.h"

// How one app is supervised.
//
// Two things are kept apart: what is *desired* (the user said start or stop) and what is *observed*
// (the keeper's facts). An app is in exactly one State; every State has at most one deadline, and
// leaving the State drops it. All inputs are Events, time included (a deadline that passed is an
// event of its own), and the table below says for each (State, Event) what is done. A pair that
// makes no sense is written as Ignore (a late fact, harmless) or Reject (a request at the wrong
// moment); none is left out, and the compiler checks that.
//
//                                       Queued
//                                        ▲ │ (a backend with a queue)
//                                        │ ▼
//   Stopped ──start──▶ Waiting ──met──▶ Spawning ──exec──▶ Starting ──ready──▶ Running
//      ▲                                   │                  │                  │
//      │                              (failed)             (ended)            (ended)
//      │                                   ▼                  ▼                  ▼
//      │◀───────── Stopping ◀─ stop ── Backoff ◀── policy ── Reaping: what outlived the leader
//      │              │ timeout            │                     │ timeout
//      │              ▼                    └──due──▶ Waiting     ▼
//      └────────── Killing                                    Killing ──▶ policy
//
// With a post_stop hook, two more come between the end of a run and what follows it: Storing, until
// that end is on the disk, and then Cleaning, while the hook runs.
//
// A run has ended only when its whole tree is gone. A leader that ends while others of its tree
// live takes the app to Reaping, where they get the stop signal, then SIGKILL; only then the
// restart policy is asked. So there are never two copies.
//
// After a restart of the agent, or of the backend, the backend says what it has: the Found events.
// They name the run that they are about. One that is newer than what the Machine remembers was
// begun just before the agent died, and is taken over as one that it knows.
namespace berth::supervisor {

enum class State : std::uint8_t {
    Stopped,
    Waiting,   // for what it requires
    Spawning,  // Start is with the backend
    Queued,    // the backend has it in its queue, for as long as that takes
    Starting,  // exec succeeded, the ready check has not
    Running,
    Stopping,  // the stop signal is sent
    Killing,   // SIGKILL to the tree is sent
    Reaping,   // the leader ended by itself, others of its tree live
    Storing,   // nothing of the run is left, hooks.post_stop is next
    Cleaning,  // hooks.post_stop runs
    Backoff,
    Exited,
    Failed,
};
inline constexpr std::size_t kStateCount = 14;
inline constexpr auto kStateNames = enum_names<State>("stopped",
                                                      "waiting",
                                                      "spawning",
                                                      "queued",
                                                      "starting",
                                                      "running",
                                                      "stopping",
                                                      "killing",
                                                      "reaping",
                                                      "storing",
                                                      "cleaning",
                                                      "backoff",
                                                      "exited",
                                                      "failed");

// What the store has of a State: a name, and beside it whether the present generation is the
// hook's. Agents that knew no Storing wrote it as "cleaning" without a hook, and read it so after a
// way back. They have no backend that queues, so that they never meet "queued".
constexpr std::string_view stored_name(State state) {
    return kStateNames.name(state == State::Storing ? State::Cleaning : state);
}

// A name that nobody knows is Stopped.
constexpr State stored_state(std::string_view name, bool hook) {
    const State state = kStateNames.value(name).value_or(State::Stopped);
    return state == State::Cleaning && !hook ? State::Storing : state;
}

enum class Event : std::uint8_t {
    Start,
    Stop,
    Kill,
    Restart,
    NeedsMet,   // everything it requires is ready
    NeedsLost,  // something it requires is not ready any more
    Queued,     // the backend has it in its queue; said again when its words change
    Spawned,    // exec succeeded
    SpawnFailed,
    Ready,
    Deadline,     // of the present state
    LeaderEnded,  // tree_gone says whether it was the last
    TreeGone,
    Unhealthy,  // its health check failed too often, or its watchdog ran out
    RunStored,  // the end of its last run is on the disk
    // What the backend has, when it is back or we are:
    FoundQueued,
    FoundRunning,  // exec done
    FoundEnded,    // as LeaderEnded, while nobody listened
    FoundFailed,   // as SpawnFailed, the same
    FoundNothing,  // it knows nothing of the run that is under way
    // This machine has been booted anew, and whatever ran ended with it. Not for a backend whose
    // runs are elsewhere.
    Booted,
};
inline constexpr std::size_t kEventCount = 21;
inline constexpr auto kEventNames = enum_names<Event>("start",
                                                      "stop",
                                                      "kill",
                                                      "restart",
                                                      "needs-met",
                                                      "needs-lost",
                                                      "queued",
                                                      "spawned",
                                                      "spawn-failed",
                                                      "ready",
                                                      "deadline",
                                                      "leader-ended",
                                                      "tree-gone",
                                                      "unhealthy",
                                                      "run-stored",
                                                      "found-queued",
                                                      "found-running",
                                                      "found-ended",
                                                      "found-failed",
                                                      "found-nothing",
                                                      "booted");

// What is done about an event.
enum class Act : std::uint8_t {
    Missing,  // zero: a cell that nobody wrote
    Ignore,
    RejectActive,    // "must be inactive"
    RejectInactive,  // "must be active"
    Begin,           // go to Waiting, or to Spawning when nothing is missing
    Retry,           // as Begin, but keep the restart count
    Spawn,
    Rest,     // settle in Stopped: nothing of it runs
    Queue,    // it waits in the queue of the backend
    Confirm,  // exec worked: Starting, or Running when there is no ready check
    Refuse,   // the spawn failed: ask the policy
    BeReady,
    Unready,        // the ready check or pre_start ran out of time: end the tree, then the policy
    MarkUnhealthy,  // the same
    Halt,           // stop signal, grace time
    Kill,           // SIGKILL at once
    Escalate,       // the grace time is over: SIGKILL
    HaltAgain,      // stop, then start
    StartAfter,     // when it is gone, start it
    StayDown,       // when it is gone, leave it
    LeaderEnded,    // the policy when the tree is gone, else Reaping
    LeaderEndedWhileStopping,  // settle when the tree is gone
    Settle,                    // the tree is gone
    BeginHook,
    SkipHook,  // leave it down, without its hook
    KillHook,  // leave it down, and end the hook
    CutHook,   // it took too long
    EndHook,
    TakeQueued,  // go on with a run that is in the queue
    TakeRun,     // go on with a run that lives; end it when it is not wanted
    TakeEnd,     // of a run whose end nobody heard
    TakeEndWhileStopping,
    TakeHook,
    TakeEndOfHook,
    EndAgain,    // who was told to end the tree may have died before it did
    SpawnAgain,  // its Start never arrived (the backend carries each out once at most)
    LoseRun,     // its record is lost: it has ended, nobody knows how
    HookAgain,
    EndAtBoot,  // it ended with the machine, and rests
};

// clang-format off
inline constexpr std::array<std::array<Act, kEventCount>, kStateCount> kTable = [] {
    using enum Act;
    return std::array<std::array<Act, kEventCount>, kStateCount>{{
        // Start         Stop            Kill            Restart     NeedsMet NeedsLost Queued  Spawned  SpawnFailed Ready    Deadline  LeaderEnded               TreeGone Unhealthy      RunStored
        //   FoundQueued FoundRunning FoundEnded            FoundFailed           FoundNothing Booted
        {  Begin,        RejectInactive, RejectInactive, Begin,      Ignore,  Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Ignore,   Ignore,                   Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              Ignore,      Ignore},  // Stopped
        {  Ignore,       Rest,           Rest,           Ignore,     Spawn,   Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Ignore,   Ignore,                   Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              Ignore,      EndAtBoot},  // Waiting
        {  RejectActive, Halt,           Kill,           HaltAgain,  Ignore,  Ignore,   Queue,  Confirm, Refuse,     Ignore,  Unready,  LeaderEnded,              Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              SpawnAgain,  EndAtBoot},  // Spawning
        {  Ignore,       Halt,           Kill,           HaltAgain,  Ignore,  Ignore,   Queue,  Confirm, Refuse,     Ignore,  Ignore,   LeaderEnded,              Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              LoseRun,     EndAtBoot},  // Queued
        {  RejectActive, Halt,           Kill,           HaltAgain,  Ignore,  Ignore,   Ignore, Ignore,  Refuse,     BeReady, Unready,  LeaderEnded,              Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              LoseRun,     EndAtBoot},  // Starting
        {  RejectActive, Halt,           Kill,           HaltAgain,  Ignore,  Ignore,   Ignore, Ignore,  Refuse,     Ignore,  Ignore,   LeaderEnded,              Ignore,  MarkUnhealthy, Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              LoseRun,     EndAtBoot},  // Running
        {  StartAfter,   StayDown,       Kill,           StartAfter, Ignore,  Ignore,   Ignore, Ignore,  Settle,     Ignore,  Escalate, LeaderEndedWhileStopping, Settle,  Ignore,        Ignore,
             EndAgain,   EndAgain,    TakeEndWhileStopping, TakeEndWhileStopping, LoseRun,     EndAtBoot},  // Stopping
        {  StartAfter,   StayDown,       Kill,           StartAfter, Ignore,  Ignore,   Ignore, Ignore,  Settle,     Ignore,  Ignore,   LeaderEndedWhileStopping, Settle,  Ignore,        Ignore,
             EndAgain,   EndAgain,    TakeEndWhileStopping, TakeEndWhileStopping, LoseRun,     EndAtBoot},  // Killing
        {  StartAfter,   StayDown,       Kill,           StartAfter, Ignore,  Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Escalate, Ignore,                   Settle,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEndWhileStopping, TakeEndWhileStopping, LoseRun,     EndAtBoot},  // Reaping
        {  StartAfter,   StayDown,       SkipHook,       StartAfter, Ignore,  Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Ignore,   Ignore,                   Ignore,  Ignore,        BeginHook,
             TakeHook,   TakeHook,    TakeEndOfHook,        TakeEndOfHook,        Ignore,      EndAtBoot},  // Storing
        {  StartAfter,   StayDown,       KillHook,       StartAfter, Ignore,  Ignore,   Ignore, Ignore,  EndHook,    Ignore,  CutHook,  EndHook,                  EndHook, Ignore,        Ignore,
             TakeHook,   TakeHook,    TakeEndOfHook,        TakeEndOfHook,        HookAgain,   EndAtBoot},  // Cleaning
        {  Begin,        Rest,           Rest,           Begin,      Ignore,  Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Retry,    Ignore,                   Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              Ignore,      EndAtBoot},  // Backoff
        {  Begin,        RejectInactive, RejectInactive, Begin,      Ignore,  Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Ignore,   Ignore,                   Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              Ignore,      Ignore},  // Exited
        {  Begin,        RejectInactive, RejectInactive, Begin,      Ignore,  Ignore,   Ignore, Ignore,  Ignore,     Ignore,  Ignore,   Ignore,                   Ignore,  Ignore,        Ignore,
             TakeQueued, TakeRun,     TakeEnd,              TakeEnd,              Ignore,      Ignore},  // Failed
    }};
}();

// clang-format on

consteval bool complete() {
    for (const auto& row : kTable) {
        for (const Act act : row) {
            if (act == Act::Missing) {
                return false;
            }
        }
    }
    return true;
}

static_assert(complete(), "every (State, Event) pair has its act");

constexpr Act act_for(State state, Event event) {
    return kTable.at(static_cast<std::size_t>(state)).at(static_cast<std::size_t>(event));
}

// What people see of a State.
constexpr AppState public_state(State state) {
    switch (state) {
        case State::Stopped:
            return AppState::Stopped;
        case State::Waiting:
        case State::Queued:
            return AppState::Waiting;
        case State::Spawning:
        case State::Starting:
            return AppState::Starting;
        case State::Running:
            return AppState::Running;
        case State::Stopping:
        case State::Killing:
        case State::Reaping:
        case State::Storing:
        case State::Cleaning:
            return AppState::Stopping;
        case State::Backoff:
            return AppState::Backoff;
        case State::Exited:
            return AppState::Exited;
        case State::Failed:
            break;
    }
    return AppState::Failed;
}

// The backend has a run, or what is left of one, and has yet to say that it is over. The hook is
// none.
constexpr bool has_run(State state) {
    switch (state) {
        case State::Spawning:
        case State::Queued:
        case State::Starting:
        case State::Running:
        case State::Stopping:
        case State::Killing:
        case State::Reaping:
            return true;
        case State::Stopped:
        case State::Waiting:
        case State::Storing:
        case State::Cleaning:
        case State::Backoff:
        case State::Exited:
        case State::Failed:
            break;
    }
    return false;
}

}  // namespace berth::supervisor
