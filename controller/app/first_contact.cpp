#include "controller/app/first_contact.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "controller/fleet/agent_link.h"
#include "shared/loop/event_loop.h"

namespace berth::controller {

Result<void> wait_for_contact(const fleet::AgentTarget& target,
                              const bus::KeyPair& keys,
                              Duration limit) {
    BERTH_TRY(const auto loop, loop::EventLoop::create());
    bus::Context context;
    const fleet::Fleet::Connector connect = fleet::zmq_connector(context, *loop, keys);
    std::string said;
    fleet::AgentLink* shown = nullptr;
    const auto changed = [&said, &shown, &target] {
        if (shown != nullptr && !shown->error().empty() && shown->error() != said) {
            said = shown->error();
            (void)std::fprintf(stderr,
                               "berth-controller: waiting for %s: %s\n",
                               target.name.c_str(),
                               said.c_str());
        }
    };
    fleet::AgentLink link(
        *loop,
        [&](fleet::Received received) { return connect(target, std::move(received)); },
        {changed, [](const auto& /*ids*/) {}});
    shown = &link;
    link.start();
    const MonoTime give_up = MonoClock::now() + limit;
    while (link.state() != fleet::LinkState::Connected) {
        const MonoTime now = MonoClock::now();
        if (now >= give_up) {
            return fail(ErrorCode::Unavailable,
                        "\"" + target.name +
                            "\" is added, and the controller goes on calling it, but: " +
                            (said.empty() ? "it has not answered yet" : said) +
                            "; `berth controller remove-agent " + target.name + "` forgets it");
        }
        if (!loop->turn(give_up - now)) {
            break;
        }
    }
    const AgentInfo info = link.info().value_or(AgentInfo{});
    (void)std::printf("added %s: agent %s on %s, Berth %s, %zu apps\n",
                      target.name.c_str(),
                      info.name.c_str(),
                      info.host.c_str(),
                      info.version.c_str(),
                      link.apps().size());
    return {};
}

}  // namespace berth::controller
