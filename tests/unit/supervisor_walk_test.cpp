#include <deque>
#include <map>
#include <random>
#include <set>

#include <catch2/catch.hpp>

#include "tests/unit/supervisor_lab.h"

// A machine, a model of the keeper and random requests, crashes included. The seed of a failing
// walk is printed.

using namespace berth;  // NOLINT(google-build-using-namespace): tests read better
using namespace berth::supervisor;

namespace {

// What the keeper has of one run.
struct ModelRun {
    enum class Phase { Spawned, Queued, Running, LeaderGone, Gone, Failed };
    Phase phase = Phase::Spawned;
    std::int32_t pid = 0;
    WallTime started;
    ExitStatus exit;
};

class Walk {
public:
    explicit Walk(unsigned seed) : engine_(seed), lab_(make_spec()) {}

    void go(int events) {
        for (int i = 0; i < events; ++i) {
            turn();
            check();
        }
    }

private:
    using Phase = ModelRun::Phase;

    AppSpec make_spec() {
        queues_ = roll(3) == 0;
        AppSpec spec = spec_with(static_cast<RestartPolicy>(roll(3)),
                                 roll(2) == 0 ? AppKind::Service : AppKind::OneShot);
        spec.ready.notify = roll(3) == 0;
        spec.pre_start = roll(3) == 0 ? "prepare" : "";
        spec.post_stop = roll(2) == 0 ? "tidy" : "";
        spec.restart.max_restarts = roll(2) == 0 ? 3 : 0;
        return spec;
    }

    unsigned roll(unsigned sides) { return static_cast<unsigned>(engine_() % sides); }

    [[nodiscard]] bool alive(std::uint64_t generation) const {
        const auto found = keeper_.find(generation);
        return found != keeper_.end() && found->second.phase != Phase::Gone &&
               found->second.phase != Phase::Failed;
    }

    void carry_out(const Effects& effects) {
        if (effects.rejected) {
            REQUIRE_FALSE(effects.spawn);
            REQUIRE_FALSE(effects.run_ended);
        }
        const std::uint64_t generation = lab_.machine.generation();
        if (effects.run_ended) {
            REQUIRE_FALSE(alive(generation));
            REQUIRE(ended_.insert(generation).second);
            keeper_.erase(generation);  // Forget
        }
        if (effects.hook_ended) {
            REQUIRE_FALSE(alive(generation));
            REQUIRE(ended_.insert(generation).second);
            keeper_.erase(generation);
        }
        if (effects.spawn || effects.hook) {
            const State state = effects.hook ? State::Cleaning : State::Spawning;
            REQUIRE(lab_.state() == state);
            for (const auto& [other, run] : keeper_) {
                REQUIRE((other == generation || !alive(other)));
            }
            REQUIRE(ended_.count(generation) == 0);
            if (keeper_.count(generation) == 0) {  // said twice: started once
                REQUIRE(generation > newest_);
                newest_ = generation;
                keeper_[generation] = {Phase::Spawned, next_pid_++, lab_.now.wall, {}};
            }
        }
    }

    void feed(const Input& input) { carry_out(lab_.feed(input)); }

    // The keeper makes a step with the present run and reports it.
    void keeper_turn() {
        const auto found = keeper_.find(lab_.machine.generation());
        if (found == keeper_.end()) {
            return;
        }
        ModelRun& run = found->second;
        Input input;
        input.when = lab_.now.wall;
        const unsigned luck = roll(8);
        switch (run.phase) {
            case Phase::Spawned:
                if (luck == 0) {
                    run.phase = Phase::Failed;
                    input.event = Event::SpawnFailed;
                    input.problem = "cannot run it";
                } else if (luck == 1) {
                    return end_leader(run);
                } else if (luck == 2 && queues_ && lab_.state() != State::Cleaning) {
                    run.phase = Phase::Queued;
                    input.event = Event::Queued;
                    input.problem = "the queue: Resources";
                } else {
                    run.phase = Phase::Running;
                    input.event = Event::Spawned;
                    input.pid = run.pid;
                }
                return feed(input);
            case Phase::Queued:
                if (luck == 0) {
                    return end_leader(run);
                }
                if (luck < 4) {
                    input.event = Event::Queued;
                    input.problem = luck == 1 ? "the queue: Priority" : "the queue: Resources";
                } else {
                    run.phase = Phase::Running;
                    input.event = Event::Spawned;
                    input.pid = run.pid;
                }
                return feed(input);
            case Phase::Running:
                if (luck < 3) {
                    input.event = Event::Ready;
                    return feed(input);
                }
                return end_leader(run);
            case Phase::LeaderGone:
                run.phase = Phase::Gone;
                input.event = Event::TreeGone;
                return feed(input);
            case Phase::Gone:
            case Phase::Failed:
                return;
        }
    }

    void end_leader(ModelRun& run) {
        run.phase = roll(3) == 0 ? Phase::LeaderGone : Phase::Gone;
        Input input;
        input.event = Event::LeaderEnded;
        input.exit = run.exit;
        input.when = lab_.now.wall;
        input.tree_gone = run.phase == Phase::Gone;
        feed(input);
    }

    // The agent dies and comes back; what was done since its last commit is forgotten by it.
    void crash(bool lost_commit) {
        const Machine::Memory memory = lost_commit ? committed_ : lab_.machine.memory();
        const AppSpec spec = lab_.machine.spec();
        // Runs whose end was not stored were not forgotten by the keeper either.
        Lab next(spec);
        next.now = lab_.now;
        next.machine.recall(memory, next.now);
        lab_ = next;
        // While the agent was away the run went on.
        for (auto& [generation, run] : keeper_) {
            if (run.phase == Phase::Spawned) {
                run.phase = roll(4) == 0 ? Phase::Failed : Phase::Running;
            }
            if (run.phase == Phase::Queued && roll(2) == 0) {
                run.phase = Phase::Running;
            }
            if (run.phase == Phase::Running && roll(3) == 0) {
                run.exit = code(1);
                run.phase = roll(3) == 0 ? Phase::LeaderGone : Phase::Gone;
            } else if (run.phase == Phase::LeaderGone && roll(2) == 0) {
                run.phase = Phase::Gone;
            }
        }
        const auto newest = keeper_.rbegin();
        if (newest == keeper_.rend() || newest->first < lab_.machine.generation()) {
            keeper_.clear();
            return carry_out(lab_.found_nothing());
        }
        const std::uint64_t generation = newest->first;
        const ModelRun run = newest->second;
        Input found;
        found.generation = generation;
        found.started = run.started;
        found.exit = run.exit;
        found.when = lab_.now.wall;
        switch (run.phase) {
            case Phase::Queued:
                found.event = Event::FoundQueued;
                found.problem = "the queue: Resources";
                break;
            case Phase::Spawned:
            case Phase::Running:
                found.event = Event::FoundRunning;
                found.pid = run.pid;
                break;
            case Phase::Failed:
                found.event = Event::FoundFailed;
                found.problem = "cannot run it";
                break;
            case Phase::LeaderGone:
            case Phase::Gone:
                found.event = Event::FoundEnded;
                found.tree_gone = run.phase == Phase::Gone;
                break;
        }
        feed(found);
    }

    void turn() {
        lab_.random = static_cast<double>(roll(1000)) / 1000;
        lab_.advance(std::chrono::milliseconds(roll(3000)));
        // As the store does it: a run that has ended is committed before it is forgotten.
        const bool may_lose = ended_.count(lab_.machine.generation()) == 0;
        if (!may_lose || roll(2) == 0) {
            committed_ = lab_.machine.memory();
        }
        if (lab_.state() == State::Storing && roll(3) != 0) {
            Input stored;
            stored.event = Event::RunStored;
            return feed(stored);
        }
        if (lab_.machine.deadline() && *lab_.machine.deadline() <= lab_.now.mono) {
            Input due;
            due.event = Event::Deadline;
            due.needs_met = roll(5) != 0;
            due.missing = "db";
            return feed(due);
        }
        Input input;
        input.actor = "ann";
        const unsigned pick = roll(100);
        if (pick < 60) {
            return keeper_turn();
        }
        if (pick < 66) {
            return crash(may_lose && committed_.generation + 1 >= lab_.machine.generation() &&
                         ended_.count(committed_.generation + 1) == 0);
        }
        if (pick < 78) {
            input.event = Event::NeedsMet;
            return feed(input);
        }
        constexpr std::array kRequests = {Event::Start,
                                          Event::Start,
                                          Event::Stop,
                                          Event::Kill,
                                          Event::Restart,
                                          Event::NeedsLost,
                                          Event::Unhealthy};
        input.event = kRequests.at(roll(kRequests.size()));
        input.needs_met = roll(4) != 0;
        input.missing = "db";
        input.keep_desired = input.event == Event::Stop && roll(3) == 0;
        feed(input);
    }

    void check() {
        const State state = lab_.state();
        const bool preparing = state == State::Spawning && !lab_.machine.spec().pre_start.empty();
        const bool timed = state == State::Starting || state == State::Stopping ||
                           state == State::Reaping || state == State::Backoff || preparing;
        if (state != State::Cleaning) {  // has one until the hook is cut
            REQUIRE(lab_.machine.deadline().has_value() == timed);
        }
        REQUIRE(lab_.machine.generation() >= last_generation_);
        last_generation_ = lab_.machine.generation();
        const bool active = is_active(public_state(state));
        const bool ended = ended_.count(lab_.machine.generation()) != 0;
        const bool under_way = lab_.machine.generation() > 0 && !ended;
        REQUIRE((has_run(state) || state == State::Cleaning) == under_way);
        REQUIRE(active == ((under_way && state != State::Queued) || state == State::Storing));
        REQUIRE(lab_.machine.active() == active);
        REQUIRE(lab_.machine.occupied() == (under_way || state == State::Storing));
        REQUIRE(lab_.status().pid.has_value() <= active);
        if (alive(lab_.machine.generation())) {
            REQUIRE(lab_.machine.occupied());
        }
        REQUIRE((!lab_.machine.held() || lab_.machine.desired() == Desired::Stopped));
    }

    std::mt19937 engine_;
    bool queues_ = false;  // the backend is one that does; set with the spec
    Lab lab_;
    std::map<std::uint64_t, ModelRun> keeper_;
    std::set<std::uint64_t> ended_;  // by run_ended
    std::uint64_t newest_ = 0;
    std::uint64_t last_generation_ = 0;
    std::int32_t next_pid_ = 100;
    Machine::Memory committed_;
};

}  // namespace

TEST_CASE("no walk of 120,000 random events breaks an invariant") {
    for (unsigned seed = 1; seed <= 240; ++seed) {
        INFO("seed " << seed);
        Walk(seed).go(500);
    }
}
