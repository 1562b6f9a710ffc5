#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/enum_names.h"
#include "shared/time/backoff.h"

namespace berth {

enum class AppKind : std::uint8_t { Service, OneShot };
inline constexpr auto kAppKindNames = enum_names<AppKind>("service", "oneshot");

// Which file format declared the app.
enum class DescriptorKind : std::uint8_t { Berth, PyTainer, Spmi, Procfile };
inline constexpr auto kDescriptorKindNames =
    enum_names<DescriptorKind>("berth", "pytainer", "spmi", "procfile");

constexpr const auto& names_of(DescriptorKind /*of*/) {
    return kDescriptorKindNames;
}

enum class RestartPolicy : std::uint8_t { Never, OnFailure, Always };
inline constexpr auto kRestartPolicyNames =
    enum_names<RestartPolicy>("never", "on-failure", "always");

// What an end that nobody saw counts as: the keeper was killed, and the app ended before the next.
enum class UnknownEnd : std::uint8_t { Success, Failure };
inline constexpr auto kUnknownEndNames = enum_names<UnknownEnd>("success", "failure");

enum class BackendType : std::uint8_t { Native, Screen, Slurm };
inline constexpr auto kBackendTypeNames = enum_names<BackendType>("native", "screen", "slurm");

constexpr const auto& names_of(BackendType /*of*/) {
    return kBackendTypeNames;
}

enum class ScheduleOverlap : std::uint8_t { Skip, Queue, Kill };
inline constexpr auto kScheduleOverlapNames = enum_names<ScheduleOverlap>("skip", "queue", "kill");

enum class ConfigType : std::uint8_t { String, Int, Float, Bool, Choice, Secret };
inline constexpr auto kConfigTypeNames =
    enum_names<ConfigType>("string", "int", "float", "bool", "choice", "secret");

struct RestartSpec {
    RestartPolicy policy = RestartPolicy::OnFailure;
    BackoffPolicy backoff;
    Duration reset_after =
        std::chrono::seconds(10);    // a run this long is good: the delay starts anew
    std::uint32_t max_restarts = 0;  // in `window`; 0: no limit
    Duration window = std::chrono::minutes(10);
    std::vector<int> success_codes = {0};  // or minus the number of a signal
    // Unset: of a service a failure; a oneshot has failed then, and is not run again by itself, as
    // it may have done its work.
    std::optional<UnknownEnd> unknown;

    friend bool operator==(const RestartSpec&, const RestartSpec&) = default;
};

struct StopSpec {
    int signal = 15;
    Duration timeout = std::chrono::seconds(10);
    std::string command;  // run first; empty: none

    friend bool operator==(const StopSpec&, const StopSpec&) = default;
};

// When `running` holds. At most one of log, tcp, http, exec, notify is set; none: a service is
// ready when it has lived for `settle`, a oneshot after exec.
struct ReadySpec {
    std::string log;
    std::string tcp;  // "HOST:PORT" or ":PORT"
    std::string http;
    std::string exec;
    bool notify = false;
    Duration timeout = std::chrono::seconds(30);
    Duration settle = std::chrono::milliseconds(250);  // zero: ready at exec

    [[nodiscard]] bool has_check() const {
        return !log.empty() || !tcp.empty() || !http.empty() || !exec.empty() || notify;
    }

    friend bool operator==(const ReadySpec&, const ReadySpec&) = default;
};

// How far an app that is required must have come: exec has succeeded, it is ready, it has ended
// well since its home was brought up.
enum class Until : std::uint8_t { Started, Ready, Done };
inline constexpr auto kUntilNames = enum_names<Until>("started", "ready", "done");

struct Requirement {
    std::string id;              // or that of an app with instances: all of them
    std::optional<Until> until;  // unset: a oneshot is to be done, anything else ready

    friend bool operator==(const Requirement&, const Requirement&) = default;
};

// What of the agent's own environment an app gets beside the variables that every app has.
struct InheritEnv {
    bool all = false;
    std::vector<std::string> names;  // when not all

    friend bool operator==(const InheritEnv&, const InheritEnv&) = default;
};

// At most one of tcp, http, exec is set; none: no check.
struct HealthSpec {
    std::string tcp;
    std::string http;
    std::string exec;
    Duration interval = std::chrono::seconds(10);
    Duration timeout = std::chrono::seconds(2);
    std::uint32_t failures = 3;
    Duration watchdog = Duration::zero();  // WATCHDOG=1 must come so often; zero: no watchdog

    friend bool operator==(const HealthSpec&, const HealthSpec&) = default;
};

// Unset: no limit of ours.
struct LimitsSpec {
    std::optional<std::uint64_t> memory_bytes;
    std::optional<double> cpus;
    std::optional<std::uint64_t> pids;
    std::optional<std::uint64_t> nofile;
    std::optional<std::uint64_t> core_bytes;

    friend bool operator==(const LimitsSpec&, const LimitsSpec&) = default;
};

struct LogSpec {
    std::uint64_t max_size_bytes = 10ULL << 20U;  // of one file
    std::uint32_t keep = 5;                       // rotated files besides the current one
    std::uint64_t max_total_bytes = 0;            // of all; 0: what the two above come to
    bool mixed = true;                            // false: SPMI shows stdout alone

    friend bool operator==(const LogSpec&, const LogSpec&) = default;
};

struct ScheduleSpec {
    std::string cron;      // empty: none
    std::string timezone;  // empty: the machine's
    ScheduleOverlap overlap = ScheduleOverlap::Skip;

    friend bool operator==(const ScheduleSpec&, const ScheduleSpec&) = default;
};

// A configuration variable with its default. `value`, `min` and `max` are kept as their text.
struct ConfigVariable {
    std::string name;
    std::string title;
    std::string description;
    ConfigType type = ConfigType::String;
    std::string value;
    std::string min;
    std::string max;
    std::vector<std::string> choices;

    friend bool operator==(const ConfigVariable&, const ConfigVariable&) = default;
};

// The app's messages. Whom it may speak to is said in RE2 patterns of whole ids; unset: every app
// of its agent.
struct IpcSpec {
    std::optional<std::vector<std::string>> may_control;
    std::optional<std::vector<std::string>> may_notify;
    std::optional<Duration> redeliver_after;  // of what it has not acknowledged; unset: 30 s
    std::uint32_t max_attempts = 0;  // after which a message is a dead letter; 0: any number

    friend bool operator==(const IpcSpec&, const IpcSpec&) = default;
};

struct InfoSpec {
    std::string author;
    std::string website;
    std::string version;
    std::string license;

    friend bool operator==(const InfoSpec&, const InfoSpec&) = default;
};

// What a descriptor says, whatever its format: validated, with every default filled in.
struct AppSpec {
    std::string id;
    std::string name;  // empty: the id
    std::string comment;
    DescriptorKind descriptor = DescriptorKind::Berth;
    AppKind kind = AppKind::Service;

    std::vector<std::string> argv;  // never empty
    std::string command;            // as it was written, for display
    std::string cwd = ".";          // relative to the app's directory
    std::map<std::string, std::string> env;
    std::string env_file;
    std::string user;
    std::string group;
    std::optional<std::uint32_t> umask;
    int nice = 0;
    bool tty = false;
    bool module = false;
    bool autostart = true;
    std::uint32_t instances = 0;  // as declared; 0: not declared, the app has no number
    std::uint32_t instance = 0;   // 1, 2, 3 …: which of them this is; 0: it has no number
    std::string instance_of;      // the id without the number
    std::vector<Requirement> requires_apps;  // `requires`
    std::optional<InheritEnv> inherit_env;   // unset: what its kind of descriptor and the home say
    std::vector<std::string> tags;

    RestartSpec restart;
    StopSpec stop;
    ReadySpec ready;
    HealthSpec health;
    LimitsSpec limits;
    LogSpec log;
    ScheduleSpec schedule;
    std::string pre_start;
    std::string post_stop;
    std::vector<std::string> setup_steps;
    std::vector<std::string> required_commands;
    std::vector<std::string> required_python;
    std::vector<std::string> required_env;  // variables that must be set
    std::string required_berth;
    std::string required_pytainer;  // what a pyTainer manifest asks of pyTainer
    std::vector<ConfigVariable> config;
    IpcSpec ipc;
    InfoSpec info;
    BackendType backend = BackendType::Native;
    std::vector<std::string> backend_options;

    friend bool operator==(const AppSpec&, const AppSpec&) = default;
};

}  // namespace berth
