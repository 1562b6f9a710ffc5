#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/supervisor/machine.h"
#include "shared/base/result.h"
#include "shared/model/app_spec.h"

namespace berth::supervisor {

// The apps that require each other, sized to Needs.
class Machines {
public:
    Machines() = default;
    virtual ~Machines() = default;
    Machines(const Machines&) = delete;
    Machines& operator=(const Machines&) = delete;

    // Null: there is no such app.
    [[nodiscard]] virtual const Machine* machine(const std::string& id) const = 0;

    // In their order; empty: it is no app with instances.
    [[nodiscard]] virtual std::vector<std::string> instances_of(const std::string& base) const = 0;

    [[nodiscard]] virtual std::vector<std::string> ids() const = 0;
};

// What apps require of each other: a graph over `requires`, looked at as it is now. Pure: no clock,
// no socket, no disk. An entry of `requires` means an app, or all instances of one.
class Needs {
public:
    // `brought_up`: when this home began to run. What ended well before counts for nothing: it is
    // run again.
    Needs(const Machines& machines, WallTime brought_up)
        : machines_(machines), brought_up_(brought_up) {}

    // What is required and not there: "db, cache (not loaded)"; "" when all is.
    [[nodiscard]] std::string missing(const AppSpec& spec) const;

    // The same, one sentence each: "db is starting: tcp …: connection refused". `evidence` gives
    // what the checks of an app have seen last.
    using Evidence = std::function<std::string(const std::string& id)>;
    [[nodiscard]] std::vector<std::string> awaited(const AppSpec& spec,
                                                   const Evidence& evidence) const;

    // Something that is required is not there, and nothing is under way that could change that: it
    // failed for good, is stopped, or is not loaded.
    [[nodiscard]] bool waits_in_vain(const AppSpec& spec) const;

    // What is required and no app is called.
    [[nodiscard]] std::vector<std::string> unknown(const AppSpec& spec) const;

    // Those that are down and have to be started before it.
    [[nodiscard]] std::vector<std::string> to_start(const AppSpec& spec) const;

    // How long a start may take by the limits of all that it waits for. Nothing: a oneshot, or one
    // that waits for a oneshot, takes what it takes.
    [[nodiscard]] std::optional<Duration> longest_start(const AppSpec& spec) const;

    // Those that something active requires: they are stopped after it.
    [[nodiscard]] std::set<std::string> in_use() const;

    // Error: with `added`, an app would require itself: "a cycle of requirements: a requires b …".
    [[nodiscard]] Result<void> check_cycles(const std::map<std::string, AppSpec>& added) const;

private:
    struct Named {
        std::string id;
        const Machine* machine;
    };

    [[nodiscard]] std::vector<Named> named(const std::string& need) const;
    [[nodiscard]] bool is_met(const Requirement& need, const Machine& needed) const;

    const Machines& machines_;
    WallTime brought_up_;
};

// How long a stop of it may take by its own limits.
Duration longest_stop(const AppSpec& spec);

}  // namespace berth::supervisor
