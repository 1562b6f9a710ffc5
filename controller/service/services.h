#pragma once

#include <functional>

#include "controller/service/act.h"
#include "controller/service/agents.h"
#include "controller/service/bulk.h"
#include "controller/service/history.h"
#include "controller/service/logs.h"
#include "controller/service/mail.h"
#include "controller/service/sessions.h"
#include "controller/service/users.h"
#include "controller/store/database.h"

namespace berth::service {

// All use cases of a controller that serves, and what they share.
struct Services {
    struct Needs {
        store::Database& database;
        access::Auth& auth;
        loop::WorkerPool& workers;
        fleet::Fleet& fleet;  // used on its loop only, but its view()
        loop::EventLoop& fleet_loop;
        loop::PosterPtr fleet_poster;
        std::function<void()> agents_changed;  // the stored agents are others; worker threads
        std::function<void()> set_up;          // the setup link was used; worker threads
    };

    explicit Services(const Needs& needs);

    // The fleet as it is known now, for who may see it.
    [[nodiscard]] Result<fleet::FleetViewPtr> view(const Caller& caller) const;

    // A verb that the command line asks an agent of another machine for: writes that it was asked.
    void forwarded(const std::string& actor,
                   const std::string& verb,
                   const std::string& target) const;

    Runner runner;
    AgentRequests requests;
    Operations operations;
    Refusals refusals;
    Act act;
    Bulk bulk;
    Logs logs;
    Mail mail;
    History history;
    Users users;
    Agents agents;
    Sessions sessions;
};

}  // namespace berth::service
