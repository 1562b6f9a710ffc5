#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

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
//   Stopped ──start──▶ Waiting ──met──▶ Spawning ──exec──▶ Starting ──ready──▶ Running
//      ▲                                   │                  │                  │
//      │                              (failed)             (ended)            (ended)
//      │                                   ▼                  ▼                  ▼
//      │◀───────── Stopping ◀─ stop ── Backoff ◀── policy ── Reaping: what outlived the leader
//      │              │ timeout            │                     │ timeout
//      │              ▼                    └──due──▶ Waiting     ▼
//      └────────── Killing                                    Killing ──▶ policy
//
// With a post_stop hook, Cleaning comes between the end of a run and what follows it.
//
// A run has ended only when its whole tree is gone. A leader that ends while others of its tree
// live takes the app to Reaping, where they get the stop signal, then SIGKILL; only then the
// restart policy is asked. So there are never two copies.
namespace berth::supervisor {

enum class State : std::uint8_t {
    Stopped,
    Waiting,   // for what it requires
    Spawning,  // Start is with the keeper
    Starting,  // exec succeeded, the ready check has not
    Running,
    Stopping,  // the stop signal is sent
    Killing,   // SIGKILL to the tree is sent
    Reaping,   // the leader ended by itself, others of its tree live
    Cleaning,  // nothing of the run is left, hooks.post_stop runs
    Backoff,
    Exited,
    Failed,
};
inline constexpr std::size_t kStateCount = 12;
inline constexpr auto kStateNames = enum_names<State>("stopped",
                                                      "waiting",
                                                      "spawning",
                                                      "starting",
                                                      "running",
                                                      "stopping",
                                                      "killing",
                                                      "reaping",
                                                      "cleaning",
                                                      "backoff",
                                                      "exited",
                                                      "failed");

enum class Event : std::uint8_t {
    Start,
    Stop,
    Kill,
    Restart,
    NeedsMet,   // everything it requires is ready
    NeedsLost,  // something it requires is not ready any more
    Spawned,    // exec succeeded
    SpawnFailed,
    Ready,
    Deadline,     // of the present state
    LeaderEnded,  // tree_gone says whether it was the last
    TreeGone,
    Unhealthy,  // its health check failed too often, or its watchdog ran out
    RunStored,  // the end of its last run is on the disk
};
inline constexpr std::size_t kEventCount = 14;
inline constexpr auto kEventNames = enum_names<Event>("start",
                                                      "stop",
                                                      "kill",
                                                      "restart",
                                                      "needs-met",
                                                      "needs-lost",
                                                      "spawned",
                                                      "spawn-failed",
                                                      "ready",
                                                      "deadline",
                                                      "leader-ended",
                                                      "tree-gone",
                                                      "unhealthy",
                                                      "run-stored");

// What is done about an event.
enum class Act : std::uint8_t {
    Missing,  // zero: a cell that nobody wrote
    Ignore,
    RejectActive,    // "must be inactive"
    RejectInactive,  // "must be active"
    Begin,           // go to Waiting, or to Spawning when nothing is missing
    Wait,            // as Begin, but keep the restart count: a retry
    Spawn,
    Rest,     // settle in Stopped: nothing of it runs
    Confirm,  // exec worked: Starting, or Running when there is no ready check
    Refuse,   // the spawn failed: ask the policy
    BeReady,
    Unready,     // the ready check or pre_start ran out of time: end the tree, then the policy
    Sicken,      // unhealthy: the same
    Halt,        // stop signal, grace time
    Slay,        // SIGKILL at once
    Escalate,    // the grace time is over: SIGKILL
    HaltAgain,   // stop, then start
    StartAfter,  // when it is gone, start it
    StayDown,    // when it is gone, leave it
    Bury,        // the leader ended: the policy when the tree is gone, else Reaping
    Mourn,       // the leader ended while being stopped: settle when the tree is gone
    Settle,      // the tree is gone
    BeginHook,
    KillHook,  // leave it down, and end the hook
    CutHook,   // it took too long
    EndHook,
};

// clang-format off
inline constexpr std::array<std::array<Act, kEventCount>, kStateCount> kTable = [] {
    using enum Act;
    return std::array<std::array<Act, kEventCount>, kStateCount>{{
        // Start         Stop            Kill            Restart     NeedsMet  NeedsLost  Spawned  SpawnFailed  Ready    Deadline  LeaderEnded  TreeGone  Unhealthy  RunStored
        {  Begin,        RejectInactive, RejectInactive, Begin,      Ignore,   Ignore,    Ignore,  Ignore,      Ignore,  Ignore,   Ignore,      Ignore,   Ignore,    Ignore},     // Stopped
        {  Ignore,       Rest,           Rest,           Ignore,     Spawn,    Ignore,    Ignore,  Ignore,      Ignore,  Ignore,   Ignore,      Ignore,   Ignore,    Ignore},     // Waiting
        {  RejectActive, Halt,           Slay,           HaltAgain,  Ignore,   Ignore,    Confirm, Refuse,      Ignore,  Unready,  Bury,        Ignore,   Ignore,    Ignore},     // Spawning
        {  RejectActive, Halt,           Slay,           HaltAgain,  Ignore,   Ignore,    Ignore,  Refuse,      BeReady, Unready,  Bury,        Ignore,   Ignore,    Ignore},     // Starting
        {  RejectActive, Halt,           Slay,           HaltAgain,  Ignore,   Ignore,    Ignore,  Refuse,      Ignore,  Ignore,   Bury,        Ignore,   Sicken,    Ignore},     // Running
        {  StartAfter,   StayDown,       Slay,           StartAfter, Ignore,   Ignore,    Ignore,  Settle,      Ignore,  Escalate, Mourn,       Settle,   Ignore,    Ignore},     // Stopping
        {  StartAfter,   StayDown,       Slay,           StartAfter, Ignore,   Ignore,    Ignore,  Settle,      Ignore,  Ignore,   Mourn,       Settle,   Ignore,    Ignore},     // Killing
        {  StartAfter,   StayDown,       Slay,           StartAfter, Ignore,   Ignore,    Ignore,  Ignore,      Ignore,  Escalate, Ignore,      Settle,   Ignore,    Ignore},     // Reaping
        {  StartAfter,   StayDown,       KillHook,       StartAfter, Ignore,   Ignore,    Ignore,  EndHook,     Ignore,  CutHook,  EndHook,     EndHook,  Ignore,    BeginHook},  // Cleaning
        {  Begin,        Rest,           Rest,           Begin,      Ignore,   Ignore,    Ignore,  Ignore,      Ignore,  Wait,     Ignore,      Ignore,   Ignore,    Ignore},     // Backoff
        {  Begin,        RejectInactive, RejectInactive, Begin,      Ignore,   Ignore,    Ignore,  Ignore,      Ignore,  Ignore,   Ignore,      Ignore,   Ignore,    Ignore},     // Exited
        {  Begin,        RejectInactive, RejectInactive, Begin,      Ignore,   Ignore,    Ignore,  Ignore,      Ignore,  Ignore,   Ignore,      Ignore,   Ignore,    Ignore},     // Failed
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
            return AppState::Waiting;
        case State::Spawning:
        case State::Starting:
            return AppState::Starting;
        case State::Running:
            return AppState::Running;
        case State::Stopping:
        case State::Killing:
        case State::Reaping:
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

}  // namespace berth::supervisor
