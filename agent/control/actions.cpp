#include "agent/control/actions.h"

#include <algorithm>

#include "shared/wire/status.h"

namespace berth::control {

using supervisor::State;
using wire::Value;

namespace {

constexpr std::size_t kRememberedAnswers = 1000;
constexpr Duration kSlack = std::chrono::seconds(5);        // for signals, the disk, a busy machine
constexpr Duration kToBeKilled = std::chrono::seconds(30);  // what SIGKILL may take at most
constexpr std::size_t kShownLines = 10;

wire::ActResult success(const std::string& id, AppState state, std::string message = {}) {
    return {id, true, wire::Code::Ok, std::move(message), state};
}

wire::ActResult failure(const std::string& id,
                        AppState state,
                        wire::Code code,
                        std::string message) {
    return {id, false, code, std::move(message), state};
}

AppState shown(const apps::App& app) {
    return supervisor::public_state(app.machine.state());
}

}  // namespace

Result<Targets> Actions::targets_of(const wire::ActRequest& args) const {
    Targets targets;
    const auto& patterns = args.patterns;
    if (!patterns.empty()) {
        const bool expressions = args.expressions;
        BERTH_TRY(
            targets,
            match_apps(apps_, patterns, expressions ? Naming::Expressions : Naming::IdsFirst));
    }
    std::set<std::string> named(targets.ids.begin(), targets.ids.end());
    for (const std::string& id : args.ids) {
        if (apps_.find(id) == nullptr) {
            targets.unmatched.push_back(id);
        } else if (named.insert(id).second) {
            targets.ids.push_back(id);
        }
    }
    return targets;
}

void Actions::handle(const Client& client,
                     const wire::Request& request,
                     const wire::ActRequest& args) {
    const auto refuse = [&](ErrorCode code, const std::string& why) {
        (void)client.reply(wire::error_reply(request.id, {code, why, 0}));
    };
    const auto verb = command::kActionNames.value(args.verb);
    if (!verb) {
        return refuse(ErrorCode::InvalidArgument,
                      "no verb is named \"" + args.verb +
                          "\"; there are start, stop, restart, kill, clean, reload");
    }
    if (args.deadline_ns != 0 && loop_.now().wall.time_since_epoch().count() > args.deadline_ns) {
        return refuse(ErrorCode::TimedOut,
                      "the command came after its deadline, it was not carried out");
    }
    const std::string& key = args.key;
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
    auto targets = targets_of(args);
    if (!targets) {
        return refuse(targets.error().code, targets.error().message);
    }
    Pending pending;
    pending.askers.emplace_back(client, request.id);
    pending.key = key;
    pending.verb = *verb;
    if (pending.verb == Verb::Clean && targets->by_pattern.size() > 1 && !args.confirmed) {
        (void)client.reply({request.id,
                            wire::Code::Ok,
                            Value::Map{{"confirm", wire::strings(targets->ids)},
                                       {"unmatched", wire::strings(targets->unmatched)}}});
        return;
    }
    pending.wait = args.wait ? Wait::Outcome : Wait::Exec;
    pending.if_needed = args.if_needed;
    pending.reload = args.reload;
    pending.only_looks = args.since_ns.has_value();
    pending.unmatched = std::move(targets->unmatched);
    if (args.timeout_ms) {
        pending.limit = std::chrono::milliseconds(
            std::clamp<std::int64_t>(*args.timeout_ms, 1, 30LL * 24 * 3'600'000));
    }
    const WallTime since = WallTime(Duration(args.since_ns.value_or(0)));
    for (const std::string& id : targets->ids) {
        const supervisor::Machine& machine = apps_.find(id)->machine;
        // Of a command that came before: a run that began after it is later than itself.
        const bool later = pending.only_looks && machine.started() && *machine.started() >= since;
        pending.targets.push_back(
            {.id = id, .generation = machine.generation() - (later ? 1 : 0), .result = {}});
    }
    pending.actor = args.actor;
    const std::uint64_t number = next_++;
    pending_.emplace(number, std::move(pending));
    begin(number);
}

// How long to wait; nothing: for ever.
std::optional<Duration> Actions::patience(const Pending& pending) const {
    if (pending.limit) {
        return pending.limit;
    }
    Duration longest = Duration::zero();
    for (const Target& target : pending.targets) {
        const apps::App* const app = apps_.find(target.id);
        if (app == nullptr || target.result) {
            continue;
        }
        const bool starts = pending.verb == Verb::Start || pending.verb == Verb::Restart;
        const auto start = starts ? apps_.conductor().needs().longest_start(app->spec())
                                  : std::optional(Duration::zero());
        if (!start) {
            return std::nullopt;
        }
        const bool ends = pending.verb != Verb::Start || is_active(shown(*app));
        longest = std::max(longest,
                           *start + (ends ? supervisor::longest_stop(app->spec()) + kToBeKilled
                                          : Duration::zero()));
    }
    return longest + kSlack;
}

void Actions::arm(std::uint64_t number, Pending& pending) {
    const auto limit = patience(pending);
    pending.timeout = limit ? loop_.after(*limit, [this, number] { time_is_over(number); })
                            : loop::Registration();
}

// By the apps' own limits: one whose present state has still got time (it asked for more) is waited
// for.
void Actions::time_is_over(std::uint64_t number) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) {
        return;
    }
    std::optional<MonoTime> latest;
    for (const Target& target : found->second.targets) {
        const apps::App* const app = apps_.find(target.id);
        if (!found->second.limit && !target.result && app != nullptr && app->machine.deadline()) {
            latest = std::max(latest.value_or(MonoTime()), *app->machine.deadline());
        }
    }
    if (!latest) {
        return give_up(number, {});
    }
    found->second.timeout = loop_.at(*latest + kSlack, [this, number] { time_is_over(number); });
}

void Actions::begin(std::uint64_t number) {
    Pending& pending = pending_.at(number);
    const std::string& hung = apps_.backend().problem();
    for (Target& target : pending.targets) {
        const apps::App* const app = apps_.find(target.id);
        if (pending.only_looks) {
            look(pending, target);
        } else if (!hung.empty() && needs_keeper(pending.verb, *app)) {
            target.result = failure(
                target.id, shown(*app), wire::code_of({ErrorCode::Unavailable, hung, 0}), hung);
        } else {
            prepare(number, pending, target);
        }
    }
    pending.begun = true;
    if (answer_if_done(pending)) {
        pending_.erase(number);
    } else {
        arm(number, pending);
    }
}

// Reads the descriptor where that comes first; mostly there is nothing to read, and it is acted at
// once.
void Actions::prepare(std::uint64_t number, Pending& pending, Target& target) {
    const bool starts = pending.verb == Verb::Start || pending.verb == Verb::Restart;
    target.begun = false;
    if (pending.reload || pending.verb == Verb::Reload) {
        apps_.catalog().reload(target.id,
                               {pending.actor},
                               [this, number, id = target.id](const Result<std::string>& reread) {
                                   prepared(number, id, reread);
                               });
    } else if (starts) {
        apps_.catalog().look_at_descriptors(
            {target.id}, [this, number, id = target.id] { prepared(number, id, {}); });
    } else {
        act(pending, target, {});
    }
}

void Actions::prepared(std::uint64_t number,
                       const std::string& id,
                       const Result<std::string>& reread) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) {
        return;  // its time was over
    }
    Pending& pending = found->second;
    for (Target& target : pending.targets) {
        if (target.id == id && !target.begun && !target.result) {
            act(pending, target, reread);
        }
    }
    if (!pending.begun) {
        return;  // begin() is about to answer
    }
    if (answer_if_done(pending)) {
        pending_.erase(found);
    } else if (!pending.limit) {
        arm(number, pending);  // by what it has read
    }
}

bool Actions::needs_keeper(Verb verb, const apps::App& app) {
    const bool active = is_active(shown(app));
    return verb == Verb::Restart || (verb == Verb::Start && !active) ||
           ((verb == Verb::Stop || verb == Verb::Kill) && active);
}

Result<void> Actions::change(const Pending& pending, const std::string& id) {
    const apps::Actor actor{pending.actor};
    switch (pending.verb) {
        case Verb::Start:
            return apps_.conductor().start(id, actor);
        case Verb::Stop:
            return apps_.conductor().stop(id, actor);
        case Verb::Restart:
            return apps_.conductor().restart(id, actor);
        case Verb::Kill:
            return apps_.conductor().kill(id, actor);
        case Verb::Clean:
            return apps_.catalog().clean(id, actor);
        case Verb::Reload:
            break;
    }
    return {};
}

bool Actions::overtake(const std::string& id) {
    bool overtaken = false;
    for (auto& [number, other] : pending_) {
        const bool starts = other.verb == Verb::Start || other.verb == Verb::Restart;
        for (Target& target : other.targets) {
            if (starts && target.id == id && !target.begun && !target.result) {
                target.result = failure(id,
                                        shown(*apps_.find(id)),
                                        wire::Code::WrongState,
                                        "it was stopped before its descriptor was read");
                overtaken = true;
            }
        }
    }
    return overtaken;
}

void Actions::act(Pending& pending, Target& target, const Result<std::string>& reread) {
    target.begun = true;
    const bool stops = pending.verb == Verb::Stop || pending.verb == Verb::Kill;
    const bool overtaken = stops && apps_.find(target.id) != nullptr && overtake(target.id);
    const std::string message = pending.verb == Verb::Reload && reread ? *reread : std::string();
    const bool begins = pending.verb == Verb::Start || pending.verb == Verb::Restart;
    if (begins && (apps_.find(target.id) == nullptr || apps_.catalog().retires(target.id))) {
        return act_on_replaced(pending, target, reread);
    }
    const Result<void> done =
        reread ? change(pending, target.id) : Result<void>(fail(reread.error()));
    const apps::App* const app = apps_.find(target.id);
    const AppState state = app != nullptr ? shown(*app) : AppState::Stopped;
    if (!done) {
        const bool so_already =
            done.error().code == ErrorCode::WrongState && pending.if_needed && app != nullptr;
        if (so_already && pending.verb == Verb::Start) {
            // It runs, or is about to: its outcome is that of this start too.
            target.generation = app->machine.generation() - 1;
            look(pending, target);
            if (target.result && target.result->ok && target.result->message.empty()) {
                target.result->message = "was running already";
            }
            return;
        }
        if (so_already && stops) {
            target.result = success(target.id, state, "was down already");
            return;
        }
        if (overtaken && done.error().code == ErrorCode::WrongState) {
            target.result = success(target.id, state);
            return;
        }
        target.result =
            failure(target.id, state, wire::code_of(done.error()), done.error().message);
        return;
    }
    const bool starts = pending.verb == Verb::Start || pending.verb == Verb::Restart;
    const bool at_once = pending.verb == Verb::Clean || pending.verb == Verb::Reload ||
                         (pending.wait == Wait::Exec && !starts);
    if (at_once) {
        target.result = success(target.id, state, message);
    } else {
        look(pending, target);
    }
}

// A start of one that gives way to another form of it, "web" to "web.1", "web.2".
void Actions::act_on_replaced(const Pending& pending,
                              Target& target,
                              const Result<std::string>& reread) {
    const apps::App* const app = apps_.find(target.id);
    const AppState state = app != nullptr ? shown(*app) : AppState::Stopped;
    if (!reread) {
        target.result =
            failure(target.id, state, wire::code_of(reread.error()), reread.error().message);
    } else if (pending.reload) {
        if (app != nullptr) {
            apps_.catalog().start_successors(apps::base_of(app->spec()));
        }
        target.result = success(target.id, state, *reread);
    } else {
        target.result = failure(target.id,
                                state,
                                wire::Code::WrongState,
                                "it is being stopped, another form of it replaces it");
    }
}

// Whether the outcome is there: sets the target's result then.
void Actions::look(const Pending& pending, Target& target) const {
    const apps::App* const app = apps_.find(target.id);
    if (app == nullptr) {
        target.result =
            failure(target.id, AppState::Stopped, wire::Code::NotFound, "it was removed meanwhile");
        return;
    }
    if (pending.verb == Verb::Start || pending.verb == Verb::Restart) {
        return look_at_start(pending, target, *app);
    }
    const AppState state = shown(*app);
    if (!is_active(state)) {
        target.result = success(target.id, state);
    } else if (pending.only_looks && state != AppState::Stopping) {
        target.result = failure(target.id,
                                state,
                                wire::Code::WrongState,
                                "the agent ended before it did that; say it again");
    }
}

void Actions::look_at_start(const Pending& pending, Target& target, const apps::App& app) const {
    const supervisor::Machine& machine = app.machine;
    const State state = machine.state();
    if (state == State::Queued) {
        if (pending.wait == Wait::Exec) {
            target.result = success(target.id, shown(app), machine.reason());
        }
        return;
    }
    if (state == State::Waiting) {
        if (pending.wait == Wait::Exec) {
            target.result = success(target.id, shown(app), machine.reason());
        } else if (apps_.conductor().needs().waits_in_vain(app.spec())) {
            std::string why = machine.reason();
            for (const std::string& sentence : apps_.awaited(app)) {
                why += "; " + sentence;
            }
            target.result = failure(target.id, shown(app), wire::Code::WrongState, why);
        }
        return;
    }
    if (machine.generation() <= target.generation) {
        const bool under_way = is_active(shown(app)) && state != State::Running;
        if (state == State::Stopped || (pending.only_looks && !under_way)) {
            target.result = failure(target.id,
                                    shown(app),
                                    wire::Code::WrongState,
                                    state == State::Stopped
                                        ? machine.reason()
                                        : "the agent ended before it did that; say it again");
        } else if (pending.wait == Wait::Exec && pending.verb == Verb::Restart) {
            target.result = success(target.id, shown(app));
        }
        return;
    }
    const bool lives = state == State::Starting || state == State::Running;
    const bool to_end = machine.spec().kind == AppKind::OneShot;
    if (lives && (pending.wait == Wait::Exec || (state == State::Running && !to_end))) {
        target.result = success(target.id, shown(app));
    } else if (is_active(shown(app))) {
        return;
    } else if (state != State::Stopped &&
               (machine.ended_well() || (pending.wait == Wait::Exec && machine.exit()))) {
        target.result = success(target.id, shown(app), machine.reason());  // it did begin
    } else {
        target.result = failed_start(app);
    }
    if (const auto code = spmi_exit_code(machine.exit()); code && target.result) {
        target.result->exit_code = code;
    }
}

wire::ActResult Actions::failed_start(const apps::App& app) const {
    wire::ActResult result =
        failure(app.id(), shown(app), wire::Code::WrongState, app.machine.reason());
    for (const wire::LogLine& line : apps_.last_lines_of_run(app, kShownLines)) {
        result.lines.emplace_back(wire::shown_text(line));
    }
    return result;
}

void Actions::settle(const std::set<std::string>& changed, const std::set<std::string>& removed) {
    for (auto entry = pending_.begin(); entry != pending_.end();) {
        Pending& pending = entry->second;
        for (Target& target : pending.targets) {
            const apps::App* const app = apps_.find(target.id);
            const bool waits = app != nullptr && app->machine.state() == State::Waiting;
            if (!target.result && target.begun &&
                (waits || changed.count(target.id) != 0 || removed.count(target.id) != 0)) {
                look(pending, target);
            }
        }
        entry = answer_if_done(pending) ? pending_.erase(entry) : std::next(entry);
    }
}

void Actions::give_up_all(const std::string& why) {
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, pending] : pending_) {
        numbers.push_back(number);
    }
    for (const std::uint64_t number : numbers) {
        give_up(number, why);
    }
}

void Actions::give_up(std::uint64_t number, const std::string& why) {
    const auto found = pending_.find(number);
    if (found == pending_.end()) {
        return;
    }
    for (Target& target : found->second.targets) {
        const apps::App* const app = apps_.find(target.id);
        if (!target.result && app == nullptr) {
            look(found->second, target);  // it was removed, and says so
        } else if (!target.result) {
            target.result = failure(target.id,
                                    shown(*app),
                                    wire::Code::TimedOut,
                                    "not done yet: " + (why.empty() ? app->machine.reason() : why));
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
    for (Target& target : pending.targets) {
        const apps::App* const app = apps_.find(target.id);
        if (app != nullptr && (pending.verb == Verb::Start || pending.verb == Verb::Restart)) {
            target.result->note = app->descriptor_note;
        }
        results.push_back(wire::to_value(*target.result));
    }
    const Value info = Value::Map{{"results", std::move(results)},
                                  {"unmatched", wire::strings(pending.unmatched)}};
    for (const auto& [client, id] : pending.askers) {
        (void)client.reply({id, wire::Code::Ok, info});  // an asker that has gone needs no answer
    }
    // What was refused because it cannot be done now has not been done: it may be asked for again.
    const bool refused =
        std::any_of(pending.targets.begin(), pending.targets.end(), [](const Target& target) {
            return wire::error_code_of(target.result->code) == ErrorCode::Unavailable;
        });
    if (!pending.key.empty() && !refused) {
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
