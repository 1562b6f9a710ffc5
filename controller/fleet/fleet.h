#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/fleet/agent_link.h"
#include "controller/fleet/fleet_view.h"
#include "shared/base/guarded.h"
#include "shared/bus/context.h"
#include "shared/loop/event_loop.h"

namespace berth::fleet {

// Where one agent is. `server_key` is empty for a local one.
struct AgentTarget {
    std::string name;
    std::string endpoint;
    std::string server_key;
    bool local = true;

    friend bool operator==(const AgentTarget&, const AgentTarget&) = default;
};

// All agents: those whose folders lie in HOME/agents, found by looking there once a second when the
// folder has changed, and the remote ones that are told with set_remote(). A local
// one hides a remote one of the same name: it came later, as no remote one may be added by its
// name. Fleet loop thread, but view().
class Fleet {
public:
    // How an agent is reached: ZeroMQ, or a test's own.
    using Connector = std::function<Result<std::unique_ptr<Transport>>(const AgentTarget& target,
                                                                       Received received)>;
    using Published = std::function<void(FleetViewPtr view)>;

    Fleet(loop::EventLoop& loop,
          std::string agents_folder,
          Connector connector,
          Rendering rendering);
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    // Called for each new view, at most once in 20 ms.
    void on_published(Published published) { published_ = std::move(published); }

    // Called when agents have come or gone, with all of them.
    using Members = std::function<void(const std::vector<AgentTarget>& targets)>;

    void on_members(Members members) { told_members_ = std::move(members); }

    void start(const std::vector<AgentTarget>& remote);
    void set_remote(const std::vector<AgentTarget>& remote);

    // As AgentLink::request(). NotFound: no agent has the name.
    void request(const std::string& agent,
                 const std::string& verb,
                 wire::Value args,
                 Duration deadline,
                 AgentLink::Answer answer);

    // The app as it is known now; view() may be 20 ms behind. Null: there is none.
    [[nodiscard]] std::shared_ptr<const AppView> find_app(const std::string& key) const;

    // The newest view. Any thread.
    [[nodiscard]] FleetViewPtr view() const;

private:
    struct Member {
        AgentTarget target;
        std::unique_ptr<AgentLink> link;
        bool stopped = false;  // it is silent because it does not run
    };

    void rescan();
    void look_who_runs();
    [[nodiscard]] bool is_stopped(const Member& member) const;
    void reconcile();
    void add(const AgentTarget& target);
    void remove(const std::string& name);
    void agent_changed(const std::string& name);
    void apps_changed(const std::string& name, const std::set<std::string>& ids);
    void publish_soon();
    void publish();
    [[nodiscard]] std::shared_ptr<const AgentView> make_agent_view(const Member& member) const;
    [[nodiscard]] std::shared_ptr<const AppView> make_app_view(const Member& member,
                                                               AppStatus status) const;

    loop::EventLoop& loop_;
    std::string agents_folder_;
    Connector connector_;
    Rendering rendering_;
    Published published_;
    Members told_members_;
    std::vector<AgentTarget> local_;
    std::vector<AgentTarget> remote_;
    std::map<std::string, Member> members_;
    FleetView next_;  // what the next view will be
    Guarded<FleetViewPtr> view_;
    std::int64_t scanned_ = -1;  // the folder's time at the last look
    loop::Registration rescan_;
    loop::Registration publish_;
};

// Reaches agents over ZeroMQ, with this controller's keys. The context must outlive the fleet.
// `max_frame`: bytes; an agent that sends more is disconnected.
Fleet::Connector zmq_connector(bus::Context& context,
                               loop::EventLoop& loop,
                               bus::KeyPair keys,
                               std::size_t max_frame = wire::kMaxControlFrame);

}  // namespace berth::fleet
