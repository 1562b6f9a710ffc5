#include "controller/service/bulk.h"

#include <map>
#include <memory>

#include "controller/service/command.h"
#include "controller/service/selector.h"
#include "controller/service/use_cases.h"

namespace berth::service {

namespace {

constexpr Duration kTimeout = std::chrono::seconds(30);

// What has been gathered of one request. Filled in on the caller's thread, then on the fleet loop.
struct Gathering {
    std::vector<std::string> apps;  // as they were asked for, each once
    std::vector<std::string> unmatched;
    std::map<std::string, std::string> errors;  // by app; "" is success
    std::map<std::string, std::vector<std::string>> by_agent;
    std::size_t missing = 0;

    void add(const std::string& app) {
        const std::size_t slash = app.find('/');
        if (errors.emplace(app, "").second) {
            apps.push_back(app);
            by_agent[app.substr(0, slash)].push_back(app.substr(slash + 1));
        }
    }
};

bool is_app_key(const std::string& app) {
    const std::size_t slash = app.find('/');
    return slash != std::string::npos && is_valid_id(app.substr(0, slash)) &&
           is_valid_id(app.substr(slash + 1));
}

Result<void> add_selected(const fleet::FleetView& view,
                          const BulkAction& action,
                          Gathering& gathering) {
    BERTH_TRY(auto selected, select_apps(view, action.selector));
    if (action.verb == "clean" && selected.by_expression > 0 && selected.apps.size() > 1 &&
        !action.confirmed) {
        std::string named;
        for (const std::string& app : selected.apps) {
            named += (named.empty() ? "" : ", ") + app;
        }
        return fail(ErrorCode::WrongState,
                    "this forgets " + std::to_string(selected.apps.size()) +
                        " apps with their logs: " + shortened(named, 2000) +
                        "; say \"confirm\": true, or name them in \"apps\"");
    }
    for (const std::string& app : selected.apps) {
        gathering.add(app);
    }
    gathering.unmatched = std::move(selected.unmatched);
    return {};
}

Result<void> find_apps(const fleet::FleetView& view,
                       const BulkAction& action,
                       Gathering& gathering) {
    if (!is_act_verb(action.verb)) {
        return fail(ErrorCode::InvalidArgument, "no verb is named \"" + action.verb + "\"");
    }
    if (!action.apps) {
        return add_selected(view, action, gathering);
    }
    for (const std::string& app : *action.apps) {
        if (!is_app_key(app)) {
            return fail(ErrorCode::InvalidArgument, "\"" + app + "\" is no AGENT/ID");
        }
        gathering.add(app);
    }
    return {};
}

void answered(Gathering& gathering,
              const std::string& agent,
              const std::vector<std::string>& ids,
              const Result<wire::Value>& answer) {
    for (const std::string& id : ids) {
        const auto error =
            answer ? outcome_of(*answer, id) : std::optional(change_error(answer.error()));
        if (error) {
            const std::string why = error->message.empty() ? "it failed" : error->message;
            gathering.errors[fleet::app_key(agent, id)] = why;
        }
    }
}

Changed<BulkOutcome> outcome(const std::string& verb, Gathering& gathering) {
    BulkOutcome outcome;
    std::size_t failed = 0;
    std::string target;
    for (const std::string& app : gathering.apps) {
        const std::string& error = gathering.errors[app];
        failed += error.empty() ? 0 : 1;
        target += (target.empty() ? "" : " ") + app;
        outcome.apps.push_back({app, error});
    }
    outcome.unmatched = std::move(gathering.unmatched);
    const std::string result = std::to_string(gathering.apps.size() - failed) + " done, " +
                               std::to_string(failed) + " failed";
    return Changed<BulkOutcome>::begun({std::move(outcome)}, {target, result, verb});
}

}  // namespace

void Bulk::act(const Caller& caller,
               const BulkAction& action,
               const Done<BulkOutcome>& done) const {
    runner_.change<BulkOutcome>(kAct, caller, done, [&](const Finish<BulkOutcome>& finish) {
        const auto gathering = std::make_shared<Gathering>();
        if (auto found = find_apps(*agents_.view(), action, *gathering); !found) {
            return finish(Changed<BulkOutcome>::not_begun(std::move(found).error()));
        }
        gathering->missing = gathering->by_agent.size();
        if (gathering->missing == 0) {
            return finish(outcome(action.verb, *gathering));
        }
        const auto by_agent = gathering->by_agent;  // answers may come while we still ask
        for (const auto& [agent, ids] : by_agent) {
            const Command command{
                action.verb, ids, caller.actor(), "", kTimeout, kTimeout, action.if_needed};
            agents_.ask(agent,
                        "act",
                        act_args(command),
                        kTimeout + kAnswerGrace,
                        [finish, gathering, verb = action.verb, agent = agent, ids = ids](
                            const Result<wire::Value>& answer) {
                            answered(*gathering, agent, ids, answer);
                            if (--gathering->missing == 0) {
                                finish(outcome(verb, *gathering));
                            }
                        });
        }
    });
}

}  // namespace berth::service
