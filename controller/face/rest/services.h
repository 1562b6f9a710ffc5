#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/access/auth.h"
#include "controller/access/cookies.h"
#include "controller/face/answers.h"
#include "controller/face/fleet_json.h"
#include "controller/face/live/hub.h"
#include "controller/face/rest/operations.h"
#include "controller/face/rest/refusals.h"
#include "controller/face/rest/router.h"
#include "controller/fleet/fleet.h"
#include "controller/panel/assets.h"
#include "controller/store/store.h"
#include "shared/json/json_value.h"
#include "shared/loop/poster.h"
#include "shared/loop/worker_pool.h"

namespace berth::rest {

// What the handlers work with. All of it outlives them.
struct Services {
    fleet::Fleet& fleet;          // but view(): only in jobs posted to fleet_poster
    loop::EventLoop& fleet_loop;  // the same
    loop::PosterPtr fleet_poster;
    store::Store& store;
    access::Auth& auth;
    loop::WorkerPool& workers;
    live::Hub& hub;
    const panel::Assets& assets;
    const access::Cookies& cookies;
    Operations& operations;
    Refusals& refusals;
    std::function<void()> agents_changed;  // the store's agents are others now; from worker threads
    std::function<void()> set_up;          // the setup link was used; from worker threads
};

// The routes, by what they are about.
std::vector<Route> session_routes(const Services& services);
std::vector<Route> agent_routes(const Services& services);
std::vector<Route> app_routes(const Services& services);
std::vector<Route> action_routes(const Services& services);
std::vector<Route> history_routes(const Services& services);
std::vector<Route> log_routes(const Services& services);
std::vector<Route> mail_routes(const Services& services);
std::vector<Route> user_routes(const Services& services);
std::vector<Route> panel_routes(const Services& services);

// All of them, and the document that describes them.
std::vector<Route> all_routes(const Services& services);

// Whether a remote agent may be stored so; puts its endpoint and key into the form that is stored.
// Error: what is wrong.
Result<void> check_agent(store::AgentRow& agent);

// Whether it may be added beside those that are there. `is_local`: an agent of this machine has its
// name. Error: AlreadyExists.
Result<void> check_new_agent(const store::AgentRow& agent,
                             bool is_local,
                             const std::vector<store::AgentRow>& others);

// "agent" and "id" of the path, checked to be ids. Error: InvalidArgument.
struct AppAddress {
    std::string agent;
    std::string id;

    [[nodiscard]] std::string key() const { return agent + '/' + id; }
};

Result<AppAddress> app_address(const Exchange& exchange);

// A whole number in the query, `fallback` when it is not there, at most `most`. Error: it is none.
Result<std::uint64_t> number_parameter(const http::Request& request,
                                       const std::string& name,
                                       std::uint64_t fallback,
                                       std::uint64_t most);

// "2026-11-22T10:00:00Z", with or without a fraction.
Result<WallTime> parse_time(std::string_view text);

// Whether who asks may see what looks like a secret: admins.
bool sees_secrets(const Exchange& exchange);

// `text` as who asks may see it.
std::string text_for(const Exchange& exchange, std::string_view text);

// Asks an agent from the http loop. `answer` is called on the fleet loop.
// The error of a change that an agent was asked for. TimedOut means that no answer came: that is
// no refusal, and it is said so.
Error change_error(const Error& error);

// What the audit log says of it.
std::string change_failed(const Error& error);

void ask(const Services& services,
         const std::string& agent,
         const std::string& verb,
         wire::Value args,
         Duration deadline,
         fleet::AgentLink::Answer answer);

// Writes one entry of the audit log; its failure is logged. Blocks: worker threads only.
void audit(const Services& services,
           const Exchange& exchange,
           const std::string& verb,
           const std::string& target,
           const std::string& result);

// The same from a loop: a worker writes it, then the response goes out, so that what was answered
// is in the log.
void audit_and_send(const Services& services,
                    const Exchange& exchange,
                    const std::string& verb,
                    const std::string& target,
                    const std::string& result,
                    http::Response response);

}  // namespace berth::rest
