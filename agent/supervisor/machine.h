#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/supervisor/retries.h"
#include "agent/supervisor/state.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"

namespace berth::supervisor {

// " by ann"; nothing when nobody asked.
std::string by(const std::string& actor);

// An event with what belongs to it.
struct Input {
    Event event = Event::Start;
    std::string actor;                // who asked: "admin from the panel"; empty: nobody, a fact
    bool keep_desired = false;        // Stop: the agent ends, the user has not asked for it
    bool needs_met = true;            // Start, Restart, Deadline: nothing it requires is missing
    std::string missing;              // which, when not
    std::optional<std::int32_t> pid;  // Spawned, FoundRunning
    std::optional<WallTime> when;     // Spawned, LeaderEnded, FoundEnded: as the backend saw it
    ExitStatus exit;                  // LeaderEnded, FoundEnded
    bool tree_gone = true;            // LeaderEnded, FoundEnded
    // SpawnFailed, FoundFailed: which step, and why. Queued, FoundQueued: what it waits for, in the
    // words of the backend ("the queue: Resources"). Unhealthy: what. Deadline: what the ready
    // check saw last.
    std::string problem;
    bool hopeless = false;         // SpawnFailed: the next try would fail too
    std::uint64_t generation = 0;  // Found…: which run
    WallTime started;              // Found…: when that began
};

// What the owner is to do now. At most one each.
struct Effects {
    bool rejected = false;  // nothing was done; `reason` says why
    std::string reason;
    bool changed = false;       // the state, or something else that is shown
    bool spawn = false;         // start generation()
    std::optional<int> signal;  // to the tree; takes one that is queued out of the queue
    bool kill = false;          // SIGKILL to the tree
    bool run_ended = false;     // generation() has ended for good: store it, then forget it
    bool crashed = false;       // with run_ended: nobody asked for this end, and it is a failure
    bool hook = false;          // start generation() as the post_stop hook
    bool hook_ended = false;    // generation() was the hook and has ended: forget it
};

// The supervision of one app: a pure function of its inputs. Reads no clock, file or socket; `now`
// and `random` (uniform in [0, 1)) are arguments. The owner looks at deadline() after each step()
// and feeds Event::Deadline when it has passed.
class Machine {
public:
    explicit Machine(std::shared_ptr<const AppSpec> spec) : spec_(std::move(spec)) {}

    explicit Machine(AppSpec spec) : Machine(std::make_shared<const AppSpec>(std::move(spec))) {}

    Effects step(const Input& input, const Now& now, double random);

    // After a restart of the agent: what was known of it (from the store). The Found events follow.
    struct Memory {
        State state = State::Stopped;
        Desired desired = Desired::Stopped;
        std::uint64_t generation = 0;
        WallTime since;
        std::string reason;
        std::uint64_t restarts = 0;
        std::uint32_t attempt = 0;
        std::optional<std::int32_t> last_pid;
        std::optional<WallTime> started;
        std::optional<WallTime> finished;
        std::optional<ExitStatus> exit;
        bool start_after = false;
        bool held = false;
        std::string problem;           // why the run is a failure although no exit status says so
        std::string actor;             // of the last start or stop
        std::vector<WallTime> recent;  // automatic restarts that count against the budget
    };

    void recall(const Memory& memory, const Now& now);
    [[nodiscard]] Memory memory() const;

    // The wall clock was set: when things happened is told by the new one.
    void clock_set(Duration by);

    // It says that it needs so much longer for starting or stopping.
    void extend(Duration by, const Now& now);

    // Whether that run has ended and is dealt with.
    [[nodiscard]] bool is_over(std::uint64_t generation) const;

    // A changed descriptor; holds from the next start on, policies at once.
    void set_spec(std::shared_ptr<const AppSpec> spec) { spec_ = std::move(spec); }

    [[nodiscard]] const AppSpec& spec() const { return *spec_; }

    [[nodiscard]] const std::shared_ptr<const AppSpec>& shared_spec() const { return spec_; }

    [[nodiscard]] State state() const { return state_; }

    // What SPMI calls active: it has processes.
    [[nodiscard]] bool active() const { return is_active(public_state(state_)); }

    // The backend has something of it: processes, or a place in a queue.
    [[nodiscard]] bool occupied() const { return active() || state_ == State::Queued; }

    // It rests, and nothing but a start gets it going.
    [[nodiscard]] bool is_down() const {
        return state_ == State::Stopped || state_ == State::Exited || state_ == State::Failed;
    }

    [[nodiscard]] Desired desired() const { return desired_; }

    // The user's last word was stop or kill: no autostart.
    [[nodiscard]] bool held() const { return held_; }

    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    [[nodiscard]] std::optional<MonoTime> deadline() const { return deadline_; }

    // The last run ended as its descriptor calls good.
    [[nodiscard]] bool ended_well() const;

    // What becomes of it once nothing of the present run is left.
    enum class Outlook : std::uint8_t {
        StaysDown,    // somebody asked for that
        StartsAgain,  // the same
        HasEnded,     // it ended well, and the policy leaves it so
        GivesUp,      // it failed, and the policy leaves it so
        IsRetried,    // the policy starts it again
    };
    [[nodiscard]] Outlook outlook() const;

    // Of the leader that runs.
    [[nodiscard]] const std::optional<std::int32_t>& pid() const { return pid_; }

    // When the present or last run began.
    [[nodiscard]] std::optional<WallTime> started() const { return started_; }

    // When the last run ended.
    [[nodiscard]] std::optional<WallTime> finished() const { return finished_; }

    // How the last run ended; unset: it runs, or never began.
    [[nodiscard]] const std::optional<ExitStatus>& exit() const { return exit_; }

    // Nothing has failed since somebody started it.
    [[nodiscard]] bool first_try() const { return retries_.none(); }

    [[nodiscard]] const std::string& reason() const { return reason_; }

    // Who asked for the last start or stop; empty: nobody.
    [[nodiscard]] const std::string& actor() const { return actor_; }

    // Fills in state, since, reason, pid, times, exit and restarts.
    void describe(AppStatus& status) const;

private:
    void apply(Act act, const Input& input, Effects& effects);
    void set_state(State state, std::string reason, Effects& effects);
    void begin(const Input& input, Effects& effects);
    void wait_or_spawn(const Input& input, std::string reason, Effects& effects);
    void spawn(std::string reason, Effects& effects);
    void queue(const std::string& cause, const std::string& what_for, Effects& effects);
    void want(Desired desired, const Input& input);
    void confirm(const Input& input, Effects& effects);
    void go_live(const std::string& cause, Effects& effects);
    void end_tree(State state, std::string reason, Effects& effects);
    void note_end(const Input& input, Effects& effects);
    void leader_ended(const Input& input, Effects& effects);
    void fail_run(std::string problem, Effects& effects);
    void refuse(const Input& input, Effects& effects);
    void settle(Effects& effects);
    void go_on(Effects& effects);
    void run_hook(Effects& effects);
    void end_hook(const Input& input, Effects& effects);
    void decide(Effects& effects);
    void retry_or_give_up(const std::string& how, Effects& effects);
    [[nodiscard]] bool stays_ended() const;
    [[nodiscard]] bool perhaps_done() const;
    [[nodiscard]] std::string unknown_end_text() const;

    [[nodiscard]] bool knows(const Input& found) const;
    void take(const Input& found);
    void take_queued(const Input& found, Effects& effects);
    void take_run(const Input& found, Effects& effects);
    void take_end(const Input& found, Effects& effects);
    void take_end_while_stopping(const Input& found, Effects& effects);
    void end_again(Effects& effects);
    void end_at_boot(Effects& effects);

    std::shared_ptr<const AppSpec> spec_;  // never null
    State state_ = State::Stopped;
    Desired desired_ = Desired::Stopped;
    bool held_ = false;
    std::uint64_t generation_ = 0;
    std::string reason_ = "never started";
    WallTime since_;
    std::optional<MonoTime> deadline_;
    std::optional<WallTime> next_try_;

    // What is done when the tree is gone.
    enum class Afterwards : std::uint8_t { AskPolicy, StayDown, StartAgain };
    Afterwards afterwards_ = Afterwards::AskPolicy;
    std::string actor_;    // of the stop or start under way
    std::string problem_;  // why this run is a failure although no exit status says so
    bool hopeless_ = false;
    std::optional<std::string> missing_;  // what it requires and has not; unset: nothing

    std::optional<std::int32_t> pid_;
    std::optional<std::int32_t> last_pid_;
    std::optional<WallTime> started_;
    std::optional<WallTime> finished_;
    std::optional<ExitStatus> exit_;
    std::optional<MonoTime> run_began_;  // unset: an agent before us knew it
    Retries retries_;
    Now now_{};
    double random_ = 0.5;
};

}  // namespace berth::supervisor
