#include "controller/fleet/fleet.h"

#include <algorithm>
#include <filesystem>

#include "shared/base/key_text.h"
#include "shared/base/text.h"
#include "shared/bus/socket.h"
#include "shared/home/places.h"
#include "shared/json/app_json.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/zmtp/dealer.h"

namespace berth::fleet {

namespace {

constexpr Duration kRescan = std::chrono::seconds(1);
constexpr Duration kPublishDelay = std::chrono::milliseconds(20);
constexpr std::string_view kIpc = "ipc://";

// To an agent of this machine.
class LocalTransport : public Transport {
public:
    LocalTransport(loop::EventLoop& loop,
                   const std::string& path,
                   std::size_t max_frame,
                   Received received)
        : dealer_(loop, path, max_frame, std::move(received)) {}

    bool send(std::string_view frame) override { return dealer_.send(frame); }

    [[nodiscard]] std::string problem() const override { return {}; }

    [[nodiscard]] bool is_refused() const override { return false; }

private:
    zmtp::Dealer dealer_;
};

// To one of another machine.
class ZmqTransport : public Transport {
public:
    static Result<std::unique_ptr<Transport>> create(bus::Context& context,
                                                     loop::EventLoop& loop,
                                                     const bus::SocketLimits& limits,
                                                     bus::Dealer::Target to,
                                                     Received received) {
        auto transport = std::make_unique<ZmqTransport>();
        transport->endpoint_ = to.endpoint;
        transport->own_key_ = to.own.public_key;
        to.told = [self = transport.get()](bus::Dealer::Way way) { self->way_ = way; };
        BERTH_TRY(transport->dealer_,
                  bus::Dealer::create(context, loop, limits, to, std::move(received)));
        return std::unique_ptr<Transport>(std::move(transport));
    }

    bool send(std::string_view frame) override { return dealer_->send(frame); }

    [[nodiscard]] std::string problem() const override {
        using enum bus::Dealer::Way;
        if (!way_) {
            return "nobody answers at " + endpoint_;
        }
        switch (*way_) {
            case NoSuchHost:
                return "there is no host of the name in " + endpoint_;
            case NobodyThere:
                return "nobody listens at " + endpoint_;
            case Silent:
                return "what listens at " + endpoint_ + " says nothing, so it is no agent";
            case OtherKey:
                return "who listens at " + endpoint_ +
                       " hangs up: its key is another than the one given (`berth agent peers` "
                       "there tells it), or it is no agent";
            case NotLetIn:
                return "it does not let this controller in; on its machine: berth agent "
                       "authorize " +
                       shown_key(own_key_);
            case Open:
                break;
        }
        return {};
    }

    [[nodiscard]] bool is_refused() const override { return way_ == bus::Dealer::Way::NotLetIn; }

private:
    std::string endpoint_;
    std::string own_key_;
    std::optional<bus::Dealer::Way> way_;
    std::unique_ptr<bus::Dealer> dealer_;
};

// Whether an agent of this machine is silent because it does not run: its locks say so.
bool does_not_run(const std::string& home) {
    const home::Places places = home::places_of(home);
    return !os::is_locked(places.lock("agent")) && !os::is_locked(places.lock("keeper"));
}

// A number that changes when names in the folder come or go; 0 when there is none.
std::int64_t folder_time(const std::string& folder) {
    std::error_code error;
    const auto time = std::filesystem::last_write_time(folder, error);
    return error ? 0 : time.time_since_epoch().count();
}

}  // namespace

Fleet::Fleet(loop::EventLoop& loop,
             std::string agents_folder,
             Connector connector,
             Rendering rendering)
    : loop_(loop),
      agents_folder_(std::move(agents_folder)),
      connector_(std::move(connector)),
      rendering_(std::move(rendering)),
      view_(std::in_place, std::make_shared<const FleetView>()) {}

Fleet::~Fleet() = default;

void Fleet::start(const std::vector<AgentTarget>& remote) {
    remote_ = remote;
    rescan();
    reconcile();
    publish();
}

void Fleet::set_remote(const std::vector<AgentTarget>& remote) {
    remote_ = remote;
    reconcile();
}

void Fleet::rescan() {
    rescan_ = loop_.after(kRescan, [this] { rescan(); });
    look_who_runs();
    const std::int64_t time = folder_time(agents_folder_);
    if (time == scanned_) {
        return;
    }
    scanned_ = time;
    local_.clear();
    if (const auto names = os::folders_in(agents_folder_)) {
        for (const std::string& name : *names) {
            const std::string home = agents_folder_ + '/' + name;
            if (is_valid_id(name)) {
                local_.push_back(
                    {name, "ipc://" + home::places_of(home).at("control.sock"), "", true});
            }
        }
    }
    reconcile();
}

bool Fleet::is_stopped(const Member& member) const {
    return member.target.local && member.link->state() == LinkState::Unreachable &&
           does_not_run(agents_folder_ + '/' + member.target.name);
}

// One that hung may have been ended since, and one that begins is not there at once.
void Fleet::look_who_runs() {
    std::vector<std::string> changed;
    for (const auto& [name, member] : members_) {
        if (member.link && member.stopped != is_stopped(member)) {
            changed.push_back(name);
        }
    }
    for (const std::string& name : changed) {
        agent_changed(name);
    }
}

void Fleet::reconcile() {
    std::map<std::string, AgentTarget> wanted;
    for (const AgentTarget& target : local_) {
        wanted.emplace(target.name, target);
    }
    for (const AgentTarget& target : remote_) {
        if (!wanted.emplace(target.name, target).second) {
            log::warning(
                "an agent of this machine has the name of a remote one, which is not "
                "shown; `berth controller remove-agent` forgets it, add-agent gives it "
                "another name",
                {{"agent", target.name}, {"remote", target.endpoint}});
        }
    }
    std::vector<std::string> gone;
    for (const auto& [name, member] : members_) {
        const auto found = wanted.find(name);
        if (found == wanted.end() || !(found->second == member.target)) {
            gone.push_back(name);
        }
    }
    for (const std::string& name : gone) {
        remove(name);
    }
    std::vector<AgentTarget> all;
    for (const auto& [name, target] : wanted) {
        if (members_.count(name) == 0) {
            add(target);
        }
        all.push_back(target);
    }
    if (told_members_) {
        told_members_(all);
    }
}

void Fleet::add(const AgentTarget& target) {
    const std::string name = target.name;
    Member& member = members_[name];
    member.target = target;
    member.link = std::make_unique<AgentLink>(
        loop_,
        [this, target](Received received) { return connector_(target, std::move(received)); },
        AgentLink::Listener{
            [this, name] { agent_changed(name); },
            [this, name](const std::set<std::string>& ids) { apps_changed(name, ids); }});
    member.link->start();
    agent_changed(name);
}

void Fleet::remove(const std::string& name) {
    members_.erase(name);
    next_.agents.erase(name);
    const auto first = next_.apps.lower_bound(name + '/');
    const auto last = next_.apps.lower_bound(name + '0');  // '0' comes right after '/'
    next_.apps.erase(first, last);
    publish_soon();
}

void Fleet::request(const std::string& agent,
                    const std::string& verb,
                    wire::Value args,
                    Duration deadline,
                    AgentLink::Answer answer) {
    const auto found = members_.find(agent);
    if (found == members_.end()) {
        return answer(fail(ErrorCode::NotFound, "no agent has the name \"" + agent + "\""));
    }
    found->second.link->request(verb, std::move(args), deadline, std::move(answer));
}

std::shared_ptr<const AppView> Fleet::find_app(const std::string& key) const {
    const auto found = next_.apps.find(key);
    return found == next_.apps.end() ? nullptr : found->second;
}

FleetViewPtr Fleet::view() const {
    return view_.with([](const FleetViewPtr& view) { return view; });
}

// The state decides whether apps are stale, so all of them are made anew.
void Fleet::agent_changed(const std::string& name) {
    const auto found = members_.find(name);
    if (found == members_.end() || !found->second.link) {
        return;
    }
    found->second.stopped = is_stopped(found->second);
    const Member& member = found->second;
    next_.agents[name] = make_agent_view(member);
    for (const auto& [id, status] : member.link->apps()) {
        next_.apps[app_key(name, id)] = make_app_view(member, status);
    }
    publish_soon();
}

void Fleet::apps_changed(const std::string& name, const std::set<std::string>& ids) {
    const auto found = members_.find(name);
    if (found == members_.end() || !found->second.link) {
        return;
    }
    const Member& member = found->second;
    const auto& apps = member.link->apps();
    for (const std::string& id : ids) {
        const auto app = apps.find(id);
        if (app == apps.end()) {
            next_.apps.erase(app_key(name, id));
        } else {
            next_.apps[app_key(name, id)] = make_app_view(member, app->second);
        }
    }
    const auto& shown = next_.agents[name];
    if (!shown || shown->apps != apps.size()) {
        next_.agents[name] = make_agent_view(member);
    }
    publish_soon();
}

void Fleet::publish_soon() {
    if (!publish_.active()) {
        publish_ = loop_.after(kPublishDelay, [this] { publish(); });
    }
}

void Fleet::publish() {
    publish_.reset();
    FleetViewPtr view = std::make_shared<const FleetView>(next_);
    view_.with([&view](FleetViewPtr& current) { current = view; });
    if (published_) {
        published_(std::move(view));
    }
}

std::shared_ptr<const AgentView> Fleet::make_agent_view(const Member& member) const {
    auto view = std::make_shared<AgentView>();
    view->name = member.target.name;
    view->endpoint = member.target.endpoint;
    view->local = member.target.local;
    view->state = member.link->state();
    view->since = member.link->since();
    view->last_seen = member.link->last_seen();
    view->heard = member.link->heard();
    view->error = member.link->error();
    if (member.stopped) {
        view->state = LinkState::Stopped;
        view->error = "it does not run; \"berth agent run --name " + view->name + "\" starts it";
    }
    view->info = member.link->info();
    if (view->error.empty() && view->info) {
        view->error =
            view->info->problem.empty() ? join(view->info->complaints, "; ") : view->info->problem;
    }
    view->apps = member.link->apps().size();
    view->rendered = rendering_.agent(*view);
    return view;
}

std::shared_ptr<const AppView> Fleet::make_app_view(const Member& member, AppStatus status) const {
    auto view = std::make_shared<AppView>();
    status.agent = member.target.name;
    view->key = app_key(status.agent, status.id);
    // One view for all who look, so it is what everybody may see; searching finds no more.
    view->status = json::without_secrets(std::move(status));
    view->stale = member.link->state() != LinkState::Connected;
    view->rendered = rendering_.app(view->status, view->stale);
    return view;
}

Fleet::Connector zmq_connector(bus::Context& context,
                               loop::EventLoop& loop,
                               bus::KeyPair keys,
                               std::size_t max_frame) {
    return [&context, &loop, max_frame, keys = std::move(keys)](
               const AgentTarget& target, Received received) -> Result<std::unique_ptr<Transport>> {
        if (target.endpoint.starts_with(kIpc)) {
            return std::make_unique<LocalTransport>(
                loop, target.endpoint.substr(kIpc.size()), max_frame, std::move(received));
        }
        bus::Dealer::Target to{target.endpoint, target.server_key, keys, {}};
        const bus::SocketLimits limits{static_cast<std::int64_t>(max_frame), 1000};
        return ZmqTransport::create(context, loop, limits, std::move(to), std::move(received));
    };
}

}  // namespace berth::fleet
