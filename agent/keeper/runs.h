#pragma once

#include <signal.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "agent/keeper/handover.h"
#include "agent/keeper/records.h"
#include "agent/keeper/run.h"
#include "agent/keeper/run_context.h"
#include "agent/keeperlink/messages.h"
#include "shared/loop/event_loop.h"

namespace berth::keeper {

// The runs of this home: does what the agent asks of them, and tells it how they end. Owned by the
// Keeper, in its thread; the keeper says which of its children have ended. Each run has a record
// from before its fork until the agent has stored its end and says Forget.
class Runs {
public:
    // `gone` is called when nothing of a run is left any more.
    Runs(RunContext& context, Records records, std::function<void()> gone);

    // Takes over what a keeper has left that was killed: what the records tell, and when these are
    // gone, what carries the mark of this home …
    void adopt();

    // … or what this process had before an upgrade. The ends of children since then are to be told
    // next, and then look_again().
    void resume(const Handover& handover);
    void look_again();
    void hand_over(Handover& to) const;

    // Tells all there is, and its end.
    void tell_all() const;

    void start(const keeperlink::Start& start);
    void signal(const keeperlink::Signal& signal);
    void end_all(int signal);  // whatever runs, with all of its tree
    void input(const keeperlink::Input& input);
    void resize(const keeperlink::Resize& resize);
    void forget(const keeperlink::Forget& forget);

    // Null: there is no such run, or a later one of its app.
    Run* find(const keeperlink::RunName& name);

    // A child of the keeper that is not reaped yet. True: it led a run, and is reaped now. A keeper
    // that is killed meanwhile has recorded its end, or left it to be reaped by the next.
    bool child_ended(siginfo_t info);

    // A child that is the keeper's own and no orphan of an app.
    void know_child(pid_t pid) { known_children_.insert(pid); }

    void forget_child(pid_t pid) { known_children_.erase(pid); }

    // Writes the records again when their file was removed. True: it was.
    Result<bool> put_back_records() { return records_.put_back(); }

    // Writes down what the agent has not stored yet, if there is such.
    [[nodiscard]] Result<void> save_ends(const std::string& file) const;

    // Nothing of any run is left.
    [[nodiscard]] bool all_gone() const;

private:
    void adopt(Record& record);
    void record_what_lives();
    Run& make(Record& record);
    Run& place(std::unique_ptr<Run> run);
    void set_aside(std::unique_ptr<Run> run);
    static void drop(std::unique_ptr<Run> run);
    void drop_latest(const std::string& id);
    void leader_ended(Run& run, int wait_status, bool status_known);
    bool ask_whether_gone(Run& run);
    void check_tree(Run& run);
    void report_end(Run& run, bool tree_gone);
    void watch_limits(const Run& run);
    void check_limits();

    RunContext& context_;
    Records records_;
    std::function<void()> gone_;
    std::map<std::string, std::unique_ptr<Run>> latest_;  // of each app
    // Ended ones that a newer run has followed before the agent has stored them. One of an app at
    // most: an agent whose disk is full stores none, and the records are bounded.
    std::map<std::string, std::unique_ptr<Run>> replaced_;
    std::unordered_map<pid_t, Run*> leaders_;   // our children that are apps
    std::unordered_set<pid_t> known_children_;  // those and the agent
    loop::Registration limits_timer_;
};

// As wait(2) would give it.
int wait_status_of(const siginfo_t& info);

}  // namespace berth::keeper
