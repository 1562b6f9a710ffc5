#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/supervisor/state.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"

namespace berth::supervisor {

// An event with what belongs to it.
struct Input {
    Event event = Event::Start;
    std::string actor;                // who asked: "admin from the panel"; empty: nobody, a fact
    bool keep_desired = false;        // Stop: the agent ends, the user has not asked for it
    bool needs_met = true;            // Start, Restart, Deadline: nothing it requires is missing
    std::string missing;              // which, when not
    std::optional<std::int32_t> pid;  // Spawned
    std::optional<WallTime> when;     // Spawned, LeaderEnded: as the keeper saw it
    ExitStatus exit;                  // LeaderEnded
    bool tree_gone = true;            // LeaderEnded
    // SpawnFailed: which step, and why. Unhealthy: what. Deadline: what the ready check saw last.
    std::string problem;
    bool hopeless = false;  // SpawnFailed: the next try would fail too
};

// What the owner is to do now. At most one each.
struct Effects {
    bool rejected = false;  // nothing was done; `reason` says why
    std::string reason;
    bool changed = false;       // the state, or something else that is shown
    bool spawn = false;         // start generation()
    std::optional<int> signal;  // to the tree
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

    // After a restart of the agent: what was known of it (from the store) …
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
        bool hook = false;             // generation is the post_stop hook's
        std::string actor;             // of the last start or stop
        std::vector<WallTime> recent;  // automatic restarts that count against the budget
    };

    void recall(const Memory& memory, const Now& now);
    [[nodiscard]] Memory memory() const;

    // … and then what the keeper has: generation `generation` lives, exec done.
    Effects found_running(std::uint64_t generation,
                          std::int32_t pid,
                          WallTime started,
                          const Now& now);

    // … or that generation has ended while nobody listened. `end` is a LeaderEnded or a
    // SpawnFailed. What is known already changes nothing.
    Effects found_ended(std::uint64_t generation,
                        const Input& end,
                        WallTime started,
                        const Now& now,
                        double random);

    // The keeper knows nothing of the run that memory says is under way. A Start that never arrived
    // is said again (the keeper carries each out once at most).
    Effects found_nothing(const Now& now);

    // The machine has been booted anew: whatever ran ended with it.
    Effects found_after_boot(const Now& now);

    // The wall clock was set: when things happened is told by the new one.
    void clock_set(Duration by);

    // It says that it needs so much longer for starting or stopping.
    void extend(Duration by, const Now& now);

    // Whether a RunStored is to come once the end of `generation` is on the disk.
    [[nodiscard]] bool awaits_storage() const { return state_ == State::Cleaning && !hook_; }

    // Whether that run has ended and is dealt with.
    [[nodiscard]] bool is_over(std::uint64_t generation) const;

    // A changed descriptor; holds from the next start on, policies at once.
    void set_spec(std::shared_ptr<const AppSpec> spec) { spec_ = std::move(spec); }

    [[nodiscard]] const AppSpec& spec() const { return *spec_; }

    [[nodiscard]] const std::shared_ptr<const AppSpec>& shared_spec() const { return spec_; }

    [[nodiscard]] State state() const { return state_; }

    [[nodiscard]] Desired desired() const { return desired_; }

    // The user's last word was stop or kill: no autostart.
    [[nodiscard]] bool held() const { return held_; }

    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    [[nodiscard]] std::optional<MonoTime> deadline() const { return deadline_; }

    // The last run ended as its descriptor calls good.
    [[nodiscard]] bool ended_well() const;

    // What becomes of it once nothing of the present run is left.
    enum class Outlook : std::uint8_t {
        StaysDown,   // somebody asked for that
        StartsAgain, // the same
        HasEnded,    // it ended well, and the policy leaves it so
        GivesUp,     // it failed, and the policy leaves it so
        IsRetried,   // the policy starts it again
    };
    [[nodiscard]] Outlook outlook() const;

    // When the present or last run began.
    [[nodiscard]] std::optional<WallTime> started() const { return started_; }

    // When the last run ended.
    [[nodiscard]] std::optional<WallTime> finished() const { return finished_; }

    // How the last run ended; unset: it runs, or never began.
    [[nodiscard]] const std::optional<ExitStatus>& exit() const { return exit_; }

    // Nothing has failed since somebody started it.
    [[nodiscard]] bool first_try() const { return attempt_ == 0 && restarts_ == 0; }

    [[nodiscard]] const std::string& reason() const { return reason_; }

    // Fills in state, since, reason, pid, times, exit and restarts.
    void describe(AppStatus& status) const;

private:
    void apply(Act act, const Input& input, Effects& effects);
    void set_state(State state, std::string reason, Effects& effects);
    void begin(const Input& input, Effects& effects);
    void wait_or_spawn(const Input& input, std::string reason, Effects& effects);
    void spawn(std::string reason, Effects& effects);
    void want_stopped(const Input& input);
    void confirm(const Input& input, Effects& effects);
    void halt(const Input& input, Effects& effects);
    void slay(const Input& input, Effects& effects);
    void leader_ended(const Input& input, Effects& effects);
    void fail_run(std::string problem, Effects& effects);
    void refuse(const Input& input, Effects& effects);
    void settle(Effects& effects);
    void go_on(Effects& effects);
    void begin_hook(Effects& effects);
    void kill_hook(const Input& input, Effects& effects);
    void end_hook(const Input& input, Effects& effects);
    void end_again(Effects& effects);
    void decide(Effects& effects);
    void retry_or_give_up(const std::string& how, Effects& effects);
    [[nodiscard]] bool settles() const;
    [[nodiscard]] bool stays_ended() const;
    [[nodiscard]] std::string reason_to_spawn() const;
    [[nodiscard]] Duration run_time() const;

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
    bool hook_ = false;  // in Cleaning: generation_ is the hook's
    bool needs_met_ = true;
    std::string missing_;

    std::optional<std::int32_t> pid_;
    std::optional<std::int32_t> last_pid_;
    std::optional<WallTime> started_;
    std::optional<WallTime> finished_;
    std::optional<ExitStatus> exit_;
    MonoTime run_began_;
    std::uint32_t attempt_ = 0;     // failures in a row
    std::uint64_t restarts_ = 0;    // automatic, since the user's last start
    std::vector<MonoTime> recent_;  // automatic restarts within the window, oldest first
    Now now_{};
    double random_ = 0.5;
};

}  // namespace berth::supervisor
