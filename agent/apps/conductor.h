#pragma once

#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "agent/apps/crash_book.h"
#include "agent/apps/figures/sampler.h"
#include "agent/apps/ledger.h"
#include "agent/apps/run_care.h"
#include "agent/apps/table.h"
#include "agent/backend/backend.h"
#include "agent/events/stream.h"
#include "agent/supervisor/machine.h"
#include "agent/supervisor/needs.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

// How requests and facts become what happens, turn by turn.
//
//   fact, request, deadline ──▶ Machine ──▶ Effects ──▶ backend, timers, checks, ledger, events
//                                                                      │
//         next starts ◀── wake what waits ◀── forget ◀── commit ◀──────┘   at the end of the turn
//
// A *turn* is what the loop does between two sleeps. Whatever comes in is fed to the app's Machine,
// which is pure and answers with effects; carry_out() is the only place that acts on them. Starts
// and signals go to the backend at once, and nobody waits for the disk before an app is started.
//
// At the end of the turn all that was changed is *committed* as one transaction. Only then the
// backend may *forget* the runs that have ended: until then it would tell their ends again, to us
// or to the agent after us, so no exit is ever lost. Nothing that a fact brought is acknowledged
// before it is stored, and what people asked for is on the disk before they are answered.
//
// A run must not begin before the end of the one before it is stored where that would leave the
// backend with two ends of one app, or would run a hook twice: then the Machine waits in
// State::Storing for RunStored, which comes from the end of the turn, too. So do apps whose needs
// are met now. Both are *woken* after the commit, and what that changes is committed again in the
// same turn.
//
// After a restart of the agent the table holds what was stored, and the backend's snapshot what has
// become of it. They are *reconciled* run by run (FactIntake): a run that lives is taken over, one
// that ended is dealt with as if that had been heard at the time, one that nobody knows of is said
// again (a start is carried out once at most) or counted as ended with an exit that is unknown. All
// of these are the Machine's own events, so what follows is what always follows.
namespace berth::apps {

// Feeds requests, facts and deadlines to each app's Machine, and carries out its effects. Owned by
// Apps. Loop thread.
//
// More methods than a class should have: it is the one place through which everything that happens
// to an app goes, and each is one step of that.
class Conductor {
public:
    // What it conducts. All outlive it.
    struct Parts {
        loop::EventLoop& loop;
        Table& table;
        backend::Backend& backend;
        Ledger& ledger;
        events::Stream& stream;
        RunCare& care;
        CrashBook& crashes;
        figures::Sampler& figures;
    };

    explicit Conductor(const Parts& parts);

    // --- what people say. Errors: NotFound, WrongState ("must be active") …
    Result<void> start(const std::string& id, const Actor& actor);
    Result<void> stop(const std::string& id, const Actor& actor);
    Result<void> kill(const std::string& id, const Actor& actor);
    Result<void> restart(const std::string& id, const Actor& actor);
    Result<void> input(const std::string& id,
                       std::string data,
                       Duration patience,
                       backend::Backend::InputDone done);
    void resize(const std::string& id, std::uint32_t rows, std::uint32_t columns);

    // Stops every app, those that others require last, without forgetting that they are wanted:
    // the ends of turns do that, one after the other.
    void shut_down() { shutting_down_ = true; }

    [[nodiscard]] bool shutting_down() const { return shutting_down_; }

    // --- what happened
    // Steps the machine and carries out what follows. Fills in what it requires.
    void feed(App& app, supervisor::Input input);

    // It says that it needs so much longer for what it is doing.
    void extend(App& app, Duration by);

    // The check of its present run has decided.
    void checked(const std::string& id, checks::Purpose purpose, const std::string& why);

    // Something that is no change of the state.
    void remark(const App& app, const std::string& text);
    void shown(const std::string& id);  // something else that is shown of it

    // A new one in the table: what waited waits on, what was retried is retried.
    void admit(App& app);

    // One that was under way in the home that this one is a copy of: it rests here, and only a
    // request starts it. What is stored of it stays as it was until then.
    void set_aside(App& app, const std::string& why);

    // One that is taken out of the table: `text` says by whom.
    void dismiss(const std::string& id, const std::string& text);

    // Starts all that are to run from the begin on.
    void autostart();

    // When this home began to run: now, or as it is remembered.
    void set_brought_up(WallTime time);

    void recall_brought_up(WallTime time) { brought_up_ = time; }

    // What apps require of each other now.
    [[nodiscard]] supervisor::Needs needs() const { return {parts_.table, brought_up_}; }

    // All that would keep it from starting by `spec`; empty for one that runs: it holds its port.
    [[nodiscard]] std::vector<std::string> obstacles(const App& app, const AppSpec& spec) const;

    // The end of a turn, before and after the commit: stops what nobody needs any more; wakes those
    // for which what they waited for is there.
    void stop_unneeded();
    void wake_waiting();

private:
    Result<void> request(const std::string& id, supervisor::Event event, const Actor& actor);
    void start_needs(const App& app, const Actor& actor);
    void spawn(App& app);
    void refused(App& app, const backend::Refusal& refusal);
    void spawn_hook(App& app);
    void end_tree(App& app, int number);
    void end_run(App& app, bool crashed);
    void begin_run(App& app);
    void arm(App& app);
    void on_deadline(const std::string& id);
    void deadline_passed(App& app);
    void carry_out(App& app, supervisor::Event cause, const supervisor::Effects& effects);
    void note(App& app, supervisor::Event cause);
    void tell(const std::string& id, events::Kind kind, AppState state, const std::string& text);
    void clock_set(Duration by);
    [[nodiscard]] double random();

    Parts parts_;
    std::map<std::string, loop::Registration> deadlines_;  // by app
    std::set<std::string> waiting_;  // apps that wait for others, or for the disk
    std::mt19937_64 engine_;
    WallTime brought_up_;
    bool shutting_down_ = false;
    loop::Registration clock_hook_;
};

}  // namespace berth::apps
