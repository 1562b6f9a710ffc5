#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/box_table.h"
#include "agent/relay/box/relay_clock.h"
#include "agent/relay/box/rights.h"
#include "agent/relay/broker/agent_port.h"
#include "agent/relay/broker/session.h"
#include "agent/relay/peer/peer_host.h"
#include "shared/base/result.h"

namespace berth::relay {

// What is known of the apps of this agent, who may speak to whom, and whom a message is for. It
// opens their mailboxes, whose rules of delivery stand in the apps' descriptors. Relay thread.
class AppDirectory {
public:
    // `agent`: our name. `redelivery`: where a descriptor says nothing of it.
    AppDirectory(std::string agent, Duration redelivery, const RelayClock& clock, BoxTable& boxes)
        : agent_(std::move(agent)), redelivery_(redelivery), clock_(clock), boxes_(boxes) {}

    void changed(std::vector<AppFacts> changed, const std::vector<std::string>& removed);

    // Null: it has no descriptor.
    [[nodiscard]] const AppFacts* find(std::string_view app) const;

    // Whether it has a descriptor, or somebody has proved to be it.
    [[nodiscard]] bool is_known(std::string_view app) const;

    [[nodiscard]] const std::map<std::string, AppFacts, std::less<>>& all() const { return apps_; }

    // Its mailbox; null: it has none.
    [[nodiscard]] Box* find_box(std::string_view app) const { return boxes_.find(app); }

    // Its mailbox, made when there is none. Error: Exhausted.
    Result<Box*> box(std::string_view app);

    // The same for what the disk has: there are never too many.
    Box& restore_box(const std::string& app);

    // The app of "ID", or of "AGENT/ID" with our name. Error: InvalidArgument: neither; NotFound:
    // another agent's.
    [[nodiscard]] Result<std::string_view> local_target(std::string_view to) const;

    // "AGENT/ID" with another agent's name; nothing for what is ours, or nobody's.
    [[nodiscard]] std::optional<PeerAddress> peer_target(std::string_view to) const;

    // Whether the app of `session`, or the operator, may. `to`: of this agent. Error:
    // PermissionDenied.
    [[nodiscard]] Result<void> check_notify(const Session& session, std::string_view to) const;
    [[nodiscard]] Result<void> check_control(const Session& session, std::string_view to) const;

    // The same towards an app of another agent, as the sender has named it.
    [[nodiscard]] Result<void> check_notify_peer(const Session& session,
                                                 const PeerAddress& to,
                                                 std::string_view name) const;

private:
    void settle(Box& box) const;

    std::string agent_;
    Duration redelivery_;
    const RelayClock& clock_;
    BoxTable& boxes_;
    std::map<std::string, AppFacts, std::less<>> apps_;
    Rights rights_;
};

}  // namespace berth::relay
