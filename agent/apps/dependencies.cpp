#include "agent/apps/registry.h"

namespace berth::apps {

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

// Whether `needed` has come as far as `need` asks for. What ended well before the home was brought
// up counts for nothing: it is run again.
bool Registry::is_met(const Requirement& need, const App& needed) const {
    const State state = needed.machine.state();
    const auto finished = needed.machine.finished();
    const bool done = state == State::Exited && finished && *finished >= brought_up_;
    const bool oneshot = needed.machine.spec().kind == AppKind::OneShot;
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

// What `app` requires and is not there: "db, cache"; "" when all is.
std::string Registry::missing(const App& app) const {
    std::string names;
    const auto add = [&names](const std::string& name) {
        names += (names.empty() ? "" : ", ") + name;
    };
    for (const Requirement& need : app.machine.spec().requires_apps) {
        const auto needed = needed_by(need.id);
        if (needed.empty()) {
            add(need.id + " (not loaded)");
        }
        for (const App* const one : needed) {
            if (!is_met(need, *one)) {
                add(one->row.id);
            }
        }
    }
    return names;
}

std::vector<std::string> Registry::awaited(const App& app) const {
    std::vector<std::string> sentences;
    for (const Requirement& need : app.machine.spec().requires_apps) {
        const auto needed = needed_by(need.id);
        if (needed.empty()) {
            sentences.push_back(need.id + " is not loaded");
        }
        for (const App* const one : needed) {
            if (is_met(need, *one)) {
                continue;
            }
            const std::string evidence = one->check ? one->check->evidence() : std::string();
            sentences.push_back(one->row.id + " is " +
                                std::string(kAppStateNames.name(
                                    supervisor::public_state(one->machine.state()))) +
                                ": " + (evidence.empty() ? one->machine.reason() : evidence));
        }
    }
    return sentences;
}

bool Registry::waits_in_vain(const App& app) const {
    for (const Requirement& need : app.machine.spec().requires_apps) {
        const auto needed = needed_by(need.id);
        if (needed.empty()) {
            return true;
        }
        for (const App* const one : needed) {
            const State state = one->machine.state();
            const bool down =
                state == State::Stopped || state == State::Exited || state == State::Failed;
            if (!is_met(need, *one) &&
                (down || (state == State::Waiting && waits_in_vain(*one)))) {
                return true;
            }
        }
    }
    return false;
}

std::vector<std::string> Registry::unknown_needs(const AppSpec& spec) const {
    std::vector<std::string> ids;
    for (const Requirement& need : spec.requires_apps) {
        if (needed_by(need.id).empty()) {
            ids.push_back(need.id);
        }
    }
    return ids;
}

void Registry::fill_needs(const App& app, Input& input) const {
    input.missing = missing(app);
    input.needs_met = input.missing.empty();
}

void Registry::start_needs(const App& app, const Actor& actor) {
    for (const Requirement& need : app.machine.spec().requires_apps) {
        for (const App* const needed : needed_by(need.id)) {
            const State state = needed->machine.state();
            const bool down =
                state == State::Stopped || state == State::Exited || state == State::Failed;
            if (down && !is_met(need, *needed)) {
                (void)request(needed->row.id,
                              Event::Start,
                              {actor.text + (actor.text.empty() ? "" : " ") + "for " + app.row.id});
            }
        }
    }
}

// A need that is retried after failures has some time for that.
std::optional<Duration> Registry::longest_start(const App& app) const {
    constexpr Duration kToTry = std::chrono::seconds(30);
    const AppSpec& spec = app.machine.spec();
    if (spec.kind == AppKind::OneShot) {
        return std::nullopt;
    }
    Duration longest = Duration::zero();
    for (const Requirement& need : spec.requires_apps) {
        for (const App* const one : needed_by(need.id)) {
            if (is_met(need, *one)) {
                continue;
            }
            const auto theirs = longest_start(*one);
            if (!theirs || need.until == Until::Done) {
                return std::nullopt;
            }
            longest = std::max(longest, *theirs + kToTry);
        }
    }
    const Duration hook = spec.pre_start.empty() ? Duration::zero() : spec.ready.timeout;
    return longest + hook +
           (spec.ready.has_check() ? spec.ready.timeout : Duration(spec.ready.settle));
}

Duration Registry::longest_stop(const App& app) {
    const AppSpec& spec = app.machine.spec();
    return spec.stop.timeout * (spec.post_stop.empty() ? 1 : 2);
}

}  // namespace berth::apps
