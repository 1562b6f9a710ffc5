#include "agent/supervisor/needs.h"

#include <algorithm>

namespace berth::supervisor {

namespace {

constexpr Duration kToTryAgain = std::chrono::seconds(30);  // a need that is retried has that, too

// Depth first over the graph with what is added; an id that is met again while it is being visited
// closes a cycle.
class CycleSearch {
public:
    CycleSearch(const Machines& machines, const std::map<std::string, AppSpec>& added)
        : machines_(machines), added_(added) {}

    // "a requires b requires a"; "" when there is none from `id` on.
    std::string visit(const std::string& id) {
        Mark& mark = marks_[id];
        if (mark == Mark::Done) {
            return {};
        }
        path_.push_back(id);
        if (mark == Mark::Open) {
            return cycle_from(id);
        }
        mark = Mark::Open;
        for (const Requirement& need : needs_of(id)) {
            for (const std::string& one : members(need.id)) {
                if (std::string cycle = visit(one); !cycle.empty()) {
                    return cycle;
                }
            }
        }
        path_.pop_back();
        marks_[id] = Mark::Done;
        return {};
    }

private:
    enum class Mark : std::uint8_t { New, Open, Done };

    [[nodiscard]] std::string cycle_from(const std::string& id) const {
        std::string cycle;
        for (auto at = std::find(path_.begin(), path_.end(), id); at != path_.end(); ++at) {
            cycle += (cycle.empty() ? "" : " requires ") + *at;
        }
        return cycle;
    }

    [[nodiscard]] std::vector<Requirement> needs_of(const std::string& id) const {
        if (const auto fresh = added_.find(id); fresh != added_.end()) {
            return fresh->second.requires_apps;
        }
        const Machine* const known = machines_.machine(id);
        return known != nullptr ? known->spec().requires_apps : std::vector<Requirement>();
    }

    [[nodiscard]] std::vector<std::string> members(const std::string& need) const {
        std::vector<std::string> ids = machines_.instances_of(need);
        for (const auto& [id, spec] : added_) {
            if (spec.instance_of == need) {
                ids.push_back(id);
            }
        }
        return ids.empty() ? std::vector<std::string>{need} : ids;
    }

    const Machines& machines_;
    const std::map<std::string, AppSpec>& added_;
    std::map<std::string, Mark> marks_;
    std::vector<std::string> path_;
};

}  // namespace

std::vector<Needs::Named> Needs::named(const std::string& need) const {
    if (const Machine* const machine = machines_.machine(need)) {
        return {{need, machine}};
    }
    std::vector<Named> needed;
    for (const std::string& id : machines_.instances_of(need)) {
        needed.push_back({id, machines_.machine(id)});
    }
    return needed;
}

bool Needs::is_met(const Requirement& need, const Machine& needed) const {
    const State state = needed.state();
    const auto finished = needed.finished();
    const bool done = state == State::Exited && finished && *finished >= brought_up_;
    const bool oneshot = needed.spec().kind == AppKind::OneShot;
    switch (need.until.value_or(oneshot ? Until::Done : Until::Ready)) {
        case Until::Started:
            return done || state == State::Starting || state == State::Running;
        case Until::Ready:
            return done || state == State::Running;
        case Until::Done:
            break;
    }
    return done;
}

std::string Needs::missing(const AppSpec& spec) const {
    std::string names;
    const auto add = [&names](const std::string& name) {
        names += (names.empty() ? "" : ", ") + name;
    };
    for (const Requirement& need : spec.requires_apps) {
        const auto needed = named(need.id);
        if (needed.empty()) {
            add(need.id + " (not loaded)");
        }
        for (const Named& one : needed) {
            if (!is_met(need, *one.machine)) {
                add(one.id);
            }
        }
    }
    return names;
}

std::vector<std::string> Needs::awaited(const AppSpec& spec, const Evidence& evidence) const {
    std::vector<std::string> sentences;
    for (const Requirement& need : spec.requires_apps) {
        const auto needed = named(need.id);
        if (needed.empty()) {
            sentences.push_back(need.id + " is not loaded");
        }
        for (const Named& one : needed) {
            if (is_met(need, *one.machine)) {
                continue;
            }
            const std::string seen = evidence(one.id);
            sentences.push_back(
                one.id + " is " +
                std::string(kAppStateNames.name(public_state(one.machine->state()))) + ": " +
                (seen.empty() ? one.machine->reason() : seen));
        }
    }
    return sentences;
}

bool Needs::waits_in_vain(const AppSpec& spec) const {
    for (const Requirement& need : spec.requires_apps) {
        const auto needed = named(need.id);
        if (needed.empty()) {
            return true;
        }
        for (const Named& one : needed) {
            const Machine& machine = *one.machine;
            const bool waits = machine.state() == State::Waiting && waits_in_vain(machine.spec());
            if (!is_met(need, machine) && (machine.is_down() || waits)) {
                return true;
            }
        }
    }
    return false;
}

std::vector<std::string> Needs::unknown(const AppSpec& spec) const {
    std::vector<std::string> ids;
    for (const Requirement& need : spec.requires_apps) {
        if (named(need.id).empty()) {
            ids.push_back(need.id);
        }
    }
    return ids;
}

std::vector<std::string> Needs::to_start(const AppSpec& spec) const {
    std::vector<std::string> ids;
    for (const Requirement& need : spec.requires_apps) {
        for (const Named& one : named(need.id)) {
            if (one.machine->is_down() && !is_met(need, *one.machine)) {
                ids.push_back(one.id);
            }
        }
    }
    return ids;
}

std::optional<Duration> Needs::longest_start(const AppSpec& spec) const {
    if (spec.kind == AppKind::OneShot) {
        return std::nullopt;
    }
    Duration longest = Duration::zero();
    for (const Requirement& need : spec.requires_apps) {
        for (const Named& one : named(need.id)) {
            if (is_met(need, *one.machine)) {
                continue;
            }
            const auto theirs = longest_start(one.machine->spec());
            if (!theirs || need.until == Until::Done) {
                return std::nullopt;
            }
            longest = std::max(longest, *theirs + kToTryAgain);
        }
    }
    const Duration hook = spec.pre_start.empty() ? Duration::zero() : spec.ready.timeout;
    return longest + hook +
           (spec.ready.has_check() ? spec.ready.timeout : Duration(spec.ready.settle));
}

std::set<std::string> Needs::in_use() const {
    std::set<std::string> ids;
    for (const std::string& id : machines_.ids()) {
        const Machine& machine = *machines_.machine(id);
        if (!machine.occupied()) {
            continue;
        }
        for (const Requirement& need : machine.spec().requires_apps) {
            for (const Named& one : named(need.id)) {
                ids.insert(one.id);
            }
        }
    }
    return ids;
}

Result<void> Needs::check_cycles(const std::map<std::string, AppSpec>& added) const {
    CycleSearch search(machines_, added);
    for (const auto& [id, spec] : added) {
        if (const std::string cycle = search.visit(id); !cycle.empty()) {
            return fail(ErrorCode::InvalidArgument, "a cycle of requirements: " + cycle);
        }
    }
    return {};
}

Duration longest_stop(const AppSpec& spec) {
    return spec.stop.timeout * (spec.post_stop.empty() ? 1 : 2);
}

}  // namespace berth::supervisor
