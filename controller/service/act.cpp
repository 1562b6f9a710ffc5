#include "controller/service/act.h"

#include <algorithm>
#include <atomic>

#include "controller/service/command.h"
#include "controller/service/use_cases.h"
#include "shared/base/secrets.h"

namespace berth::service {

namespace {

constexpr Duration kAgentTimeout = std::chrono::seconds(300);  // how long an operation is followed
constexpr Duration kLeastToStart = std::chrono::seconds(10);
constexpr Duration kDeadline = std::chrono::seconds(5);  // of what an agent does at once
constexpr std::size_t kLongestKey = 128;

OperationState state_after(const std::optional<Error>& error) {
    return !error                               ? OperationState::Done
           : error->code == ErrorCode::TimedOut ? OperationState::Unknown
                                                : OperationState::Failed;
}

Acted acted(const AgentRequests& agents, const AppAddress& app, const wire::Value& info) {
    Acted done;
    done.app = agents.fleet().find_app(app.key());
    for (const wire::Value& value : info["results"].as_array()) {
        const wire::ActResult result = wire::to_act_result(value);
        if (result.id == app.id) {
            done.said.push_back({without_secrets(result.message), without_secrets(result.note)});
        }
    }
    return done;
}

Changed<Acted> finished(const AgentRequests& agents,
                        const Action& action,
                        const Result<wire::Value>& answer,
                        const std::optional<Error>& error) {
    const Note note{action.app.key(), error ? change_failed(*error) : "done", action.verb};
    if (error) {
        return Changed<Acted>::begun({fail(*error), answer ? From::Controller : From::Agent}, note);
    }
    return Changed<Acted>::begun({acted(agents, action.app, *answer)}, note);
}

// Runs on the fleet loop.
void carry_out(const AgentRequests& agents,
               Operations& operations,
               const Action& action,
               const Command& command,
               const Done<Acted>& early,
               const Finish<Acted>& finish) {
    const std::string operation = operations.begin(action.app.key(), command.verb);
    const auto waiting = std::make_shared<loop::Registration>();
    *waiting = agents.loop().after(action.timeout, [early, operation] {
        early({Acted{operation, {}, nullptr}});
    });
    agents.fleet().request(
        action.app.agent,
        "act",
        act_args(command),
        command.timeout + kAnswerGrace,
        [&agents, &operations, action, operation, waiting, finish](
            const Result<wire::Value>& answer) {
            waiting->reset();
            const auto error = answer ? outcome_of(*answer, action.app.id)
                                      : std::optional(change_error(answer.error()));
            operations.end(operation, state_after(error), error ? error->message : "");
            finish(finished(agents, action, answer, error));
        });
}

}  // namespace

void Act::act(const Caller& caller, const Action& action, const Done<Acted>& done) const {
    // Of the end of the client's time and the outcome, the first is the answer.
    const Done<Acted> once =
        [done, given = std::make_shared<std::atomic<bool>>(false)](Answer<Acted> answer) {
            if (!given->exchange(true)) {
                done(std::move(answer));
            }
        };
    runner_.change<Acted>(kAct, caller, once, [&](const Finish<Acted>& finish) {
        if (action.key.size() > kLongestKey) {
            return finish(Changed<Acted>::not_begun(
                {ErrorCode::InvalidArgument, "an Idempotency-Key has at most 128 characters", 0}));
        }
        // Two users must not get each other's answers, nor one command that of another.
        const std::string own_key = action.key.empty() ? ""
                                                       : caller.name + ' ' + action.verb + ' ' +
                                                             action.app.id + ' ' + action.key;
        const Command command{action.verb,
                              {action.app.id},
                              caller.actor(),
                              own_key,
                              std::max(action.timeout, kLeastToStart),
                              kAgentTimeout,
                              action.if_needed};
        const bool posted = agents_.post([this, action, command, once, finish] {
            carry_out(agents_, operations_, action, command, once, finish);
        });
        if (!posted) {
            finish(
                Changed<Acted>::not_begun({ErrorCode::Unavailable, "the controller is ending", 0}));
        }
    });
}

void Act::write_input(const Caller& caller,
                      const AppAddress& app,
                      const std::string& data,
                      const Done<Taken>& done) const {
    runner_.change<Taken>(kWriteInput, caller, done, [&](const Finish<Taken>& finish) {
        agents_.ask(
            app.agent,
            "input",
            wire::Value::Map{{"id", app.id}, {"data", data}},
            kDeadline,
            [finish, key = app.key(), size = data.size()](const Result<wire::Value>& answer) {
                if (!answer) {
                    return finish(
                        Changed<Taken>::begun({fail(change_error(answer.error())), From::Agent},
                                              {key, change_failed(answer.error())}));
                }
                const Taken taken{(*answer)["taken"].as_uint(),
                                  size,
                                  (*answer)["why"].as_string(),
                                  (*answer)["full"].as_bool()};
                finish(Changed<Taken>::begun(
                    {taken},
                    {key, std::to_string(taken.bytes) + " of " + std::to_string(size) + " bytes"}));
            });
    });
}

void Act::scale(const Caller& caller,
                const AppAddress& app,
                std::uint64_t count,
                const Done<std::vector<std::string>>& done) const {
    using Ids = std::vector<std::string>;
    runner_.change<Ids>(kScale, caller, done, [&](const Finish<Ids>& finish) {
        agents_.ask(app.agent,
                    "scale",
                    wire::Value::Map{{"id", app.id}, {"count", count}, {"actor", caller.actor()}},
                    kDeadline,
                    [finish, key = app.key(), count](const Result<wire::Value>& answer) {
                        if (!answer) {
                            return finish(Changed<Ids>::begun(
                                {fail(change_error(answer.error())), From::Agent},
                                {key, change_failed(answer.error())}));
                        }
                        finish(Changed<Ids>::begun({(*answer)["changed"].as_strings()},
                                                   {key, "to " + std::to_string(count)}));
                    });
    });
}

Result<Operation> Act::operation(const Caller& caller, const std::string& id) const {
    BERTH_CHECK(Runner::allowed(kShowOperation, caller));
    auto found = operations_.find(id);
    if (!found) {
        return fail(ErrorCode::NotFound, "this operation is not known (any more)");
    }
    return std::move(*found);
}

}  // namespace berth::service
