#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/apps/apps.h"
#include "agent/control/actions.h"
#include "agent/control/mail_gate.h"
#include "agent/control/subscriptions.h"
#include "agent/control/waits.h"
#include "agent/relay/service.h"
#include "agent/store/store.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_status.h"
#include "shared/wire/value.h"

namespace berth::control {

// What only the agent can do or say of itself.
struct Owner {
    std::function<AgentInfo()> info;
    std::function<void(bool keep_apps)> shut_down;
    // Replaces keeper and agent by those in the folder; `answered` once, before this one ends.
    std::function<void(const std::string& folder, std::function<void(Result<void>)> answered)>
        upgrade;
};

// What the verbs work with. Owned by the Door, where it stays; what it refers to outlives it. Loop
// thread.
struct Context {
    loop::EventLoop& loop;
    apps::Apps& apps;
    store::Store& store;
    relay::Service& relay;
    std::string home;
    std::string runtime;  // folder of its sockets
    Owner owner;
    Actions actions;
    MailGate mail;
    Waits waits;
    Subscriptions subscriptions;
    std::string tcp_endpoint = {};  // where it listens, with the real port; "" when it does not
    std::string public_key = {};    // its own
    std::function<Result<void>(const std::string& endpoint)> listen = {};  // see Door::listen_on()

    // All that is shown of an app, its mailbox included.
    [[nodiscard]] AppStatus status_of(const apps::App& app) const;
    [[nodiscard]] wire::Value statuses(const std::vector<std::string>& ids) const;
};

}  // namespace berth::control
