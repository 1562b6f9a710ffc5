#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/backend/sample.h"
#include "shared/base/result.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"
#include "shared/time/clock.h"

// What runs apps, as an interface: sized to apps::Conductor, its one caller.
//
// The conductor says what is to be done and goes on at once; what has come of it arrives as a fact,
// in the loop's thread, some time later. A run is named by (id, generation): the conductor counts
// generations up, and a backend starts each at most once, whoever asks again. Nothing is lost while
// a backend is away: facts that the conductor has not told it to forget are said again after the
// next snapshot, and the conductor says again what it finds undone.
//
// Listening sockets that stay over restarts are named in the spec: whoever runs the app holds them
// and hands them to each run, so that no descriptor crosses this line.
//
// What the others besides the native one need, and where it is:
//
//   native/  The keeper. Facts come within milliseconds; samples are those of /proc and of cgroups.
//   screen/  Each run is a session of GNU Screen, found again by its name. It has one stream, its
//            log has no stderr, and input is typed. A session that vanished while nobody looked has
//            an exit that is Unknown: `Ended::exit` carries that. `resize` is Screen's own matter.
//   slurm/   start() submits; `queued` says why the job waits, for hours if need be, and the run has
//            no deadline meanwhile (supervisor::State::Queued). `started` comes minutes late and
//            without a pid of this machine: `Started::pid` is unset. When the agent dies while a
//            submission is under way, the job is found by the run's name, which it carries as its
//            comment; until slurmctld has answered, snapshot() is not called, and `problem` says so.
//            Samples are sstat's, some of them unset. signal(Tree, SIGKILL) is scancel.
//   exec/    A program of the user's own is asked for each verb and prints facts, one JSON object a
//            line. A line that makes no sense is a `problem`, never a fact.
namespace berth::backend {

struct RunName {
    std::string id;
    std::uint64_t generation = 0;

    friend bool operator==(const RunName&, const RunName&) = default;
    friend auto operator<=>(const RunName&, const RunName&) = default;
};

// One start of one app. Borrowed for the call.
struct LaunchRequest {
    const AppSpec& spec;
    std::string folder;                    // the app's directory
    std::vector<std::string> environment;  // of the shell that loaded it; empty: the agent's own
    std::uint64_t generation = 0;

    [[nodiscard]] RunName run() const { return {spec.id, generation}; }
};

// Something that keeps an app from starting.
struct Obstacle {
    std::string text;
    bool may_pass = false;  // by itself: a port that is taken
};

// All in one sentence: "user "www" does not exist; command "gunicorn" is not in its PATH".
std::string in_words(const std::vector<Obstacle>& obstacles);

// A start that was not begun.
struct Refusal {
    std::string problem;
    bool hopeless = false;  // the next try would fail too
};

enum class Effort : std::uint8_t {
    Quick,     // the first fault ends it: a retry
    Thorough,  // all that is wrong is said at once: somebody waits for the answer
};

enum class Scope : std::uint8_t { Leader, Group, Tree };

// --- facts

struct Started {
    std::optional<std::int32_t> pid;  // unset: it runs on another machine
    WallTime when;
};

struct StartFailed {
    std::string problem;  // which step, and why
};

struct Ended {
    ExitStatus exit;  // with what has ended it, where that is known
    WallTime when;
    bool tree_gone = true;  // false: processes of it live on; tree_gone() follows
};

// What an app said of itself (sd_notify(3)).
struct Notified {
    bool ready = false;
    bool watchdog = false;         // it lives
    bool watchdog_failed = false;  // it asks to be restarted
    Duration extend{};             // so much longer for starting or stopping; zero: not asked
    std::string status;            // empty: nothing new
};

// A run that the backend knows of when it is met again.
struct RunFact {
    enum class Phase : std::uint8_t {
        Accepted,  // Started or StartFailed follows
        Queued,    // `problem` says for what it waits
        Running,
        Ended,
        Failed,  // before exec: `problem`
    };

    RunName run;
    Phase phase = Phase::Running;
    std::optional<std::int32_t> pid;
    WallTime started;
    bool ready = false;  // it has said so
    Ended end;
    std::string problem;
};

// Who is on the other side. The conductor tells by it whether this home has begun anew.
struct Session {
    std::string boot;  // of the machine that the runs are on
    std::string id;    // another one: nothing of what ran before runs on by itself
};

// Where the facts go. Called in the loop's thread, never from within a call of the backend.
class Facts {
public:
    Facts() = default;
    virtual ~Facts() = default;
    Facts(const Facts&) = delete;
    Facts& operator=(const Facts&) = delete;

    // All runs that are known, after each (re)connect, before anything else.
    virtual void snapshot(std::span<const RunFact> runs, const Session& session) = 0;
    virtual void queued(const RunName& run, const std::string& reason) = 0;
    virtual void started(const RunName& run, const Started& started) = 0;
    virtual void start_failed(const RunName& run, const StartFailed& failed) = 0;
    virtual void ended(const RunName& run, const Ended& ended) = 0;
    virtual void tree_gone(const RunName& run) = 0;
    virtual void notified(const RunName& run, const Notified& said) = 0;

    // The answer to a start that was said twice.
    virtual void known_already(const RunFact& fact) = 0;

    // Something was done to the run's log from outside.
    virtual void log_disturbed(const RunName& run, const std::string& what) = 0;

    // It is silent for too long, or answers again: see Backend::problem().
    virtual void problem_changed() = 0;

    // What that run was started with, for the words of a fact; null: not known any more.
    [[nodiscard]] virtual const AppSpec* spec_of(const RunName& run) const = 0;
};

// What became of a line that ran beside a run.
struct BesideResult {
    enum class End : std::uint8_t {
        Succeeded,
        Failed,
        Unknown,  // it could not be asked: the backend was away, the run has ended
    };

    End end = End::Unknown;
    std::string text;  // "LINE: exit code 1: its last line"
};

// What became of input.
struct InputResult {
    std::size_t taken = 0;     // bytes, from the first on
    std::optional<Error> why;  // not all of it: Exhausted (it does not read), WrongState (it takes
                               // none), TimedOut (the backend died: not known)
};

class Backend {
public:
    Backend() = default;
    virtual ~Backend() = default;
    Backend(const Backend&) = delete;
    Backend& operator=(const Backend&) = delete;

    // Everything that would make a start of it fail, as far as it can be known. Changes nothing.
    [[nodiscard]] virtual std::vector<Obstacle> preflight(const LaunchRequest& request) const = 0;

    // What else somebody who checks it should know: variables that it does not get.
    [[nodiscard]] virtual std::vector<std::string> remarks(const LaunchRequest& request) const = 0;

    // Begins a run. started(), start_failed() or queued() follows; a Refusal: none of them does.
    virtual std::optional<Refusal> start(const LaunchRequest& request, Effort effort) = 0;

    // Begins a shell line of the app's (a hook) as a run of its own, with `variables` besides.
    virtual std::optional<Refusal> start_line(const LaunchRequest& request,
                                              const std::string& line,
                                              const std::vector<std::string>& variables) = 0;

    virtual void signal(const RunName& run, int signal, Scope scope) = 0;

    // `patience`: how long it may wait for the app to read; zero: not at all.
    using InputDone = std::function<void(const InputResult& result)>;
    virtual void input(const RunName& run, std::string data, Duration patience, InputDone done) = 0;
    virtual void resize(const RunName& run, std::uint32_t rows, std::uint32_t columns) = 0;

    // Runs a shell line beside a living run, as the app: a check, or its stop command. `done` is
    // called once, from the loop.
    using BesideDone = std::function<void(const BesideResult& result)>;
    virtual void beside(const LaunchRequest& request,
                        const std::string& line,
                        Duration timeout,
                        BesideDone done) = 0;

    // The end of this run is stored, or it is none of ours: nothing of it is to be told again.
    virtual void forget(const RunName& run) = 0;

    // The figures of a run whose leader is `pid`; rates are those since `before`.
    [[nodiscard]] virtual Sample sample(const RunName& run,
                                        std::int32_t pid,
                                        const Sample& before,
                                        MonoTime now,
                                        Detail detail) const = 0;

    // Each limit of an app, and who sees to it here.
    [[nodiscard]] virtual std::vector<LimitStatus> limits(const LimitsSpec& limits) const = 0;

    // Calls back with the time it took once the backend has taken in all that was said before, and
    // has told all that it knew then; not at all when it dies first.
    using Confirmed = std::function<void(Duration took)>;
    virtual void confirm(Confirmed confirmed) = 0;

    // While somebody watches, a backend that is silent is found out; else when it is asked for
    // something.
    virtual void watch(bool watched) = 0;

    // Why nothing can be started or ended now; empty, mostly.
    [[nodiscard]] virtual const std::string& problem() const = 0;

    // What people see as the run's number in this backend: the keeper's pid, a job's id.
    [[nodiscard]] virtual std::string id_of(const RunName& run) const = 0;
};

}  // namespace berth::backend
