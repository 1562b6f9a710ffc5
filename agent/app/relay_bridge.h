#pragma once

#include <memory>
#include <set>
#include <string>

#include "agent/apps/apps.h"
#include "agent/backend/native/launch.h"
#include "agent/relay/service.h"
#include "shared/base/result.h"
#include "shared/config/agent_config.h"
#include "shared/home/places.h"
#include "shared/loop/event_loop.h"

namespace berth::app {

// Ties the relay to this agent: tells it of the apps, carries out what apps ask about others, and
// puts into the home what apps find there (`ipc/`, `secrets/`, `tmp/`). Loop thread.
class RelayBridge {
public:
    struct Options {
        home::Places places;
        std::string agent;
        config::AgentConfig::Ipc ipc;
        bool begin_anew = false;  // the home was a copy and is its own now
    };

    static Result<std::unique_ptr<RelayBridge>> start(loop::EventLoop& loop,
                                                      apps::Apps& apps,
                                                      const Options& options);

    ~RelayBridge() { apps_.figures().set_mailbox_of({}); }

    RelayBridge(const RelayBridge&) = delete;
    RelayBridge& operator=(const RelayBridge&) = delete;

    // What every start of an app needs of the relay.
    static native::LaunchContext launch_context(const std::string& agent,
                                                const home::Places& places);

    // Where apps on other machines reach the relay, for those who set them up.
    void write_address() const;

    // Something has happened in this turn, and is stored: reads the stream.
    void on_happened();

    [[nodiscard]] relay::Service& service() { return *service_; }

private:
    RelayBridge(loop::EventLoop& loop, apps::Apps& apps, home::Places places)
        : loop_(loop), apps_(apps), places_(std::move(places)), seen_(apps.stream().last()) {}

    void control(relay::Verb verb,
                 const std::string& app,
                 const std::string& actor,
                 const std::function<void(const relay::Controlled&)>& done);
    [[nodiscard]] relay::AppFacts facts(const apps::App& app) const;

    loop::EventLoop& loop_;
    apps::Apps& apps_;
    home::Places places_;
    events::Cursor seen_;
    std::unique_ptr<relay::Service> service_;
};

}  // namespace berth::app
