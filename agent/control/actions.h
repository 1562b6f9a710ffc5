#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/apps.h"
#include "agent/control/client.h"
#include "agent/control/targets.h"
#include "shared/command/verbs.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/requests.h"

namespace berth::control {

// Carries out `act` requests and answers each when its outcome is there: the state that was
// reached, not "sent". A request that is repeated with the same key is carried out once and gets
// the same answer.
class Actions {
public:
    Actions(loop::EventLoop& loop, apps::Apps& apps) : loop_(loop), apps_(apps) {}

    void handle(const Client& client, const wire::Request& request, const wire::ActRequest& args);

    // Answers what is under way that it is not done yet, for this reason.
    void give_up_all(const std::string& why);

    // After each turn that changed these apps: answers what is decided now.
    void settle(const std::set<std::string>& changed, const std::set<std::string>& removed);

private:
    using Verb = command::Action;

    // When a start is answered.
    enum class Wait : std::uint8_t { Exec, Outcome };

    struct Target {
        std::string id;
        std::uint64_t generation = 0;  // a start or restart is about a later one than this
        bool begun = true;             // false: its descriptor is read before
        std::optional<wire::ActResult> result;
    };

    struct Pending {
        std::vector<std::pair<Client, std::uint64_t>> askers;  // with their request ids
        std::string key;
        std::string actor;
        Verb verb = Verb::Start;
        Wait wait = Wait::Outcome;
        bool if_needed = false;         // what is so already is no failure
        bool reload = false;            // read the descriptors before
        bool only_looks = false;        // the command came before this agent did
        std::optional<Duration> limit;  // how long to wait; unset: as long as the apps may take
        std::vector<Target> targets;
        std::vector<std::string> unmatched;
        bool begun = false;  // all targets have been looked at
        loop::Registration timeout;
    };

    void begin(std::uint64_t number);
    void prepare(std::uint64_t number, Pending& pending, Target& target);
    void prepared(std::uint64_t number, const std::string& id, const Result<std::string>& reread);
    void act(Pending& pending, Target& target, const Result<std::string>& reread);

    void act_on_replaced(const Pending& pending, Target& target, const Result<std::string>& reread);

    // Whoever stops an app has the last word over starts that came before and still read its
    // descriptor. Whether there was one.
    bool overtake(const std::string& id);
    Result<void> change(const Pending& pending, const std::string& id);
    [[nodiscard]] static bool needs_keeper(Verb verb, const apps::App& app);
    void look(const Pending& pending, Target& target) const;
    void look_at_start(const Pending& pending, Target& target, const apps::App& app) const;
    [[nodiscard]] wire::ActResult failed_start(const apps::App& app) const;
    void give_up(std::uint64_t number, const std::string& why);
    void arm(std::uint64_t number, Pending& pending);
    void time_is_over(std::uint64_t number);
    [[nodiscard]] std::optional<Duration> patience(const Pending& pending) const;
    bool answer_if_done(Pending& pending);
    void remember(const std::string& key, const wire::Value& info);
    [[nodiscard]] Result<Targets> targets_of(const wire::ActRequest& args) const;

    loop::EventLoop& loop_;
    apps::Apps& apps_;
    std::map<std::uint64_t, Pending> pending_;
    std::uint64_t next_ = 1;
    std::map<std::string, wire::Value> answered_;  // by idempotency key
    std::deque<std::string> answered_order_;
};

}  // namespace berth::control
