#include "agent/registry/registry.h"

namespace berth::registry {

// The part of the Registry that knows what apps require of each other.

using supervisor::Event;
using supervisor::Input;
using supervisor::State;

// The apps that one entry of `requires` names: that app, or all instances of it.
std::vector<const App*> Registry::needed_by(const std::string& need) const {
    if (const App* const app = find(need)) {
        return {app};
    }
    std::vector<const App*> needed;
    for (const std::string& id : instances_of(need)) {
        needed.push_back(find(id));
    }
    return needed;
}

// What `app` requires and is not there: "db, cache"; "" when all is.
std::string Registry::missing(const App& app) const {
    std::string names;
    const auto add = [&names](const std::string& name) {
        names += (names.empty() ? "" : ", ") + name;
    };
    for (const std::string& need : app.machine.spec().requires_apps) {
        const auto needed = needed_by(need);
        if (needed.empty()) {
            add(need + " (not loaded)");
        }
        for (const App* const one : needed) {
            const State state = one->machine.state();
            if (state != State::Running && state != State::Exited) {
                add(one->row.id);
            }
        }
    }
    return names;
}

std::vector<std::string> Registry::awaited(const App& app) const {
    std::vector<std::string> sentences;
    for (const std::string& need : app.machine.spec().requires_apps) {
        const auto needed = needed_by(need);
        if (needed.empty()) {
            sentences.push_back(need + " is not loaded");
        }
        for (const App* const one : needed) {
            const State state = one->machine.state();
            if (state == State::Running || state == State::Exited) {
                continue;
            }
            const std::string evidence = one->check ? one->check->evidence() : std::string();
            sentences.push_back(one->row.id + " is " +
                                std::string(kAppStateNames.name(supervisor::public_state(state))) +
                                ": " + (evidence.empty() ? one->machine.reason() : evidence));
        }
    }
    return sentences;
}

void Registry::fill_needs(const App& app, Input& input) const {
    input.missing = missing(app);
    input.needs_met = input.missing.empty();
}

void Registry::start_needs(const App& app, const Actor& actor) {
    for (const std::string& need : app.machine.spec().requires_apps) {
        for (const App* const needed : needed_by(need)) {
            const State state = needed->machine.state();
            if (state == State::Stopped || state == State::Failed) {
                (void)request(needed->row.id,
                              Event::Start,
                              {actor.text + (actor.text.empty() ? "" : " ") + "for " + app.row.id});
            }
        }
    }
}

}  // namespace berth::registry
