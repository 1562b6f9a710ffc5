#include "agent/control/actions.h"

#include <algorithm>

#include "agent/control/targets.h"
#include "shared/wire/status.h"

namespace berth::control {

using supervisor::State;
using wire::Value;

namespace {

constexpr auto kVerbs = enum_names<int>("start", "stop", "restart", "kill", "clean", "reload");
constexpr std::size_t kRememberedAnswers = 1000;
constexpr std::int64_t kDefaultTimeoutMs = 30'000;

wire::ActResult success(const std::string& id, AppState state, std::string message = {}) {
    return {id, true, wire::Code::Ok, std::move(message), state};
}

wire::ActResult failure(const std::string& id,
                        AppState state,
                        wire::Code code,
                        std::string message) {
    return {id, false, code, std::move(message), state};
}

}  // namespace

Result<std::vector<std::string>> Actions::targets_of(const Value& args,
                                                     std::vector<std::string>& unmatched) const {
    std::vector<std::string> ids = args["ids"].as_strings();
    for (const std::string& id : ids) {
        if (registry_.find(id) == nullptr) {
            unmatched.push_back(id);
        }
    }
    std::erase_if(ids, [this](const std::string& id) { return registry_.find(id) == nullptr; });
    const auto patterns = args["patterns"].as_strings();
    BERTH_TRY(match::Matches matches,
              patterns.empty() ? Result<match::Matches>(match::Matches())
                               : match_apps(registry_, patterns));
    unmatched.insert(unmatched.end(), matches.unmatched.begin(), matches.unmatched.end());
    std::set<std::string> named(ids.begin(), ids.end());
    for (std::string& id : matches.ids) {
        if (named.insert(id).second) {
            ids.push_back(std::move(id));
        }
    }
    return ids;
}

void Actions::handle(const Client& client, const wire::Request& request) {
    const Value& args = request.args;
    const auto refuse = [&](ErrorCode code, const std::string& why) {
        (void)client.reply(wire::error_reply(request.id, {code, why, 0}));
    };
    const auto verb = kVerbs.value(args["verb"].as_string());
    if (!verb) {
        return refuse(ErrorCode::InvalidArgument,
                      "no verb is named \"" + args["verb"].as_string() +
                          "\"; there are start, stop, restart, kill, clean, reload");
    }
    const std::int64_t deadline_ns = args["deadline_ns"].as_int();
    if (deadline_ns != 0 && loop_.now().wall.time_since_epoch().count() > deadline_ns) {
        return refuse(ErrorCode::TimedOut,
                      "the command came after its deadline, it was not carried out");
    }
    const std::string key = args["key"].as_string();
    if (const auto known = answered_.find(key); !key.empty() && known != answered_.end()) {
        (void)client.reply({request.id, wire::Code::Ok, known->second});
        return;
    }
    for (auto& [number, pending] : pending_) {
        if (!key.empty() && pending.key == key) {
            pending.askers.emplace_back(client, request.id);
            return;
        }
    }
    Pending pending;
    const auto ids = targets_of(args, pending.unmatched);
    if (!ids) {
        return refuse(ids.error().code, ids.error().message);
    }
    pending.askers.emplace_back(client, request.id);
    pending.key = key;
    pending.verb = static_cast<Verb>(*verb);
    for (const std::string& id : *ids) {
        pending.targets.push_back({id, registry_.find(id)->machine.generation(), {}});
    }
    begin(pending, args["actor"].as_string(), args["wait"].as_bool(true));
    if (answer_if_done(pending)) {
        return;
    }
    const std::uint64_t number = next_++;
    const std::int64_t timeout =
        std::clamp<std::int64_t>(args["timeout_ms"].as_int(kDefaultTimeoutMs), 1, 3'600'000);
    pending.timeout =
        loop_.after(std::chrono::milliseconds(timeout), [this, number] { give_up(number); });
    pending_.emplace(number, std::move(pending));
}

void Actions::begin(Pending& pending, const std::string& actor, bool wait) {
    for (Target& target : pending.targets) {
        act(pending, target, {actor}, wait);
    }
}

void Actions::act(Pending& pending, Target& target, const registry::Actor& actor, bool wait) {
    Result<void> done;
    std::string message;
    switch (pending.verb) {
        case Verb::Start:
            done = registry_.start(target.id, actor);
            break;
        case Verb::Stop:
            done = registry_.stop(target.id, actor);
            break;
        case Verb::Restart:
            done = registry_.restart(target.id, actor);
            break;
        case Verb::Kill:
            done = registry_.kill(target.id, actor);
            break;
        case Verb::Clean:
            done = registry_.clean(target.id, actor);
            wait = false;
            break;
        case Verb::Reload: {
            const auto changed = registry_.reload(target.id, actor);
            wait = false;
            if (changed) {
                message = *changed;
            } else {
                done = fail(changed.error());
            }
            break;
        }
    }
    const registry::App* const app = registry_.find(target.id);
    const AppState state =
        app != nullptr ? supervisor::public_state(app->machine.state()) : AppState::Stopped;
    if (!done) {
        target.result =
            failure(target.id, state, wire::code_of(done.error()), done.error().message);
    } else if (!wait) {
        target.result = success(target.id, state, message);
    } else {
        look(pending, target);
    }
}

// Whether the outcome is there: sets the target's result then.
void Actions::look(const Pending& pending, Target& target) const {
    const registry::App* const app = registry_.find(target.id);
    if (app == nullptr) {
        target.result =
            failure(target.id, AppState::Stopped, wire::Code::NotFound, "it was removed meanwhile");
        return;
    }
    const State state = app->machine.state();
    const AppState shown = supervisor::public_state(state);
    if (pending.verb == Verb::Stop || pending.verb == Verb::Kill) {
        if (!is_active(shown)) {
            target.result = success(target.id, shown);
        }
        return;
    }
    if (app->machine.generation() <= target.generation) {
        if (state == State::Stopped) {
            target.result =
                failure(target.id, shown, wire::Code::WrongState, app->machine.reason());
        }
        return;
    }
    if (state == State::Running || state == State::Exited) {
        target.result = success(target.id, shown);
    } else if (state == State::Failed || state == State::Backoff || state == State::Stopped) {
        target.result = failure(target.id, shown, wire::Code::WrongState, app->machine.reason());
    }
}

void Actions::settle(const std::set<std::string>& changed, const std::set<std::string>& removed) {
    for (auto entry = pending_.begin(); entry != pending_.end();) {
        Pending& pending = entry->second;
        for (Target& target : pending.targets) {
            if (!target.result &&
                (changed.count(target.id) != 0 || removed.count(target.id) != 0)) {
                look(pending, target);
            }
        }
        entry = answer_if_done(pending) ? pending_.erase(entry) : std::next(entry);
    }
}

void Actions::give_up(std::uint64_t number) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) {
        return;
    }
    for (Target& target : found->second.targets) {
        const registry::App* const app = registry_.find(target.id);
        if (!target.result && app != nullptr) {
            target.result = failure(target.id,
                                    supervisor::public_state(app->machine.state()),
                                    wire::Code::TimedOut,
                                    "not done yet: " + app->machine.reason());
        }
    }
    (void)answer_if_done(found->second);
    pending_.erase(found);
}

bool Actions::answer_if_done(Pending& pending) {
    const auto decided = [](const Target& target) { return target.result.has_value(); };
    if (!std::all_of(pending.targets.begin(), pending.targets.end(), decided)) {
        return false;
    }
    Value::Array results;
    for (const Target& target : pending.targets) {
        results.push_back(wire::to_value(*target.result));
    }
    const Value info = Value::Map{{"results", std::move(results)},
                                  {"unmatched", wire::strings(pending.unmatched)}};
    for (const auto& [client, id] : pending.askers) {
        (void)client.reply({id, wire::Code::Ok, info});  // an asker that has gone needs no answer
    }
    if (!pending.key.empty()) {
        remember(pending.key, info);
    }
    return true;
}

void Actions::remember(const std::string& key, const Value& info) {
    answered_[key] = info;
    answered_order_.push_back(key);
    if (answered_order_.size() > kRememberedAnswers) {
        answered_.erase(answered_order_.front());
        answered_order_.pop_front();
    }
}

}  // namespace berth::control
