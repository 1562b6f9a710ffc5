#include "controller/service/services.h"

#include "controller/service/use_cases.h"

namespace berth::service {

Services::Services(const Needs& needs)
    : runner(needs.database.audit(), needs.workers),
      requests(needs.fleet, needs.fleet_loop, needs.fleet_poster),
      act(runner, requests, operations),
      bulk(runner, requests),
      logs(runner, requests),
      mail(runner, requests),
      history(runner, requests),
      users(runner, needs.auth, needs.database.users(), needs.database.audit()),
      agents(runner,
             needs.database.agents(),
             {[&fleet = needs.fleet](const std::string& name) {
                  const auto view = fleet.view();
                  const auto found = view->agents.find(name);
                  return found != view->agents.end() && found->second->local;
              },
              needs.agents_changed}),
      sessions(runner, needs.auth, needs.database.tokens(), refusals, needs.set_up) {}

Result<fleet::FleetViewPtr> Services::view(const Caller& caller) const {
    BERTH_CHECK(Runner::allowed(kShowFleet, caller));
    return requests.view();
}

void Services::forwarded(const std::string& actor,
                         const std::string& verb,
                         const std::string& target) const {
    const Caller caller = Caller::command_line(actor.empty() ? "command line" : actor);
    runner.change<std::monostate>(
        kForward,
        caller,
        [](const auto& /*answer*/) {},
        [&](const Finish<std::monostate>& finish) {
            finish(Changed<std::monostate>::begun({std::monostate()}, {target, "asked", verb}));
        });
}

}  // namespace berth::service
