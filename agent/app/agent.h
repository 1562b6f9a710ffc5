#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/app/relay_bridge.h"
#include "agent/apps/apps.h"
#include "agent/backend/native/keeper_client.h"
#include "agent/backend/native/native_backend.h"
#include "agent/control/door.h"
#include "agent/logs/log_janitor.h"
#include "agent/store/store.h"
#include "shared/base/result.h"
#include "shared/bus/context.h"
#include "shared/home/home_watch.h"
#include "shared/home/places.h"
#include "shared/home/runtime_folder.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/heap_trimmer.h"
#include "shared/loop/worker_pool.h"
#include "shared/os/unique_fd.h"

namespace berth::app {

struct AgentOptions {
    std::string home;
    std::string name;       // empty: from agent.toml, else the home's last part
    int keeper_fd = -1;     // -1: no keeper yet, start one
    bool shutdown = false;  // stop all apps and leave, as soon as the keeper has said what runs
};

// Everything of one agent, put together: owns the parts and their order of life. One loop thread.
class Agent {
public:
    // Waits for a dying agent of the same home, then reads the state. Error: the home or its
    // configuration is not usable.
    static Result<std::unique_ptr<Agent>> create(loop::EventLoop& loop,
                                                 const AgentOptions& options);

    void run();

    // After run(): ends the parts in their order. False: a thread hangs in a file system that does
    // not answer, and the process is to be left at once; all that is to be stored is.
    [[nodiscard]] bool close();

private:
    Agent(loop::EventLoop& loop, AgentOptions options)
        : loop_(loop), options_(std::move(options)), trimmer_(loop, kBurst) {}

    // Changes of apps that leave enough freed memory behind to be worth giving back.
    static constexpr std::size_t kBurst = 64;

    Result<void> prepare();
    Result<void> connect_keeper();

    // Nobody is told what runs before the keeper has said it.
    void hear_keeper();
    Result<void> listen(const config::AgentConfig& config);
    void begin_shutdown(bool keep_apps);
    void finish(bool end_keeper);
    void upgrade(const std::string& folder, std::function<void(Result<void>)> answered);
    void on_upgrade_answer(const keeperlink::UpgradeAnswer& answer);
    void on_signals();
    void on_fact(const keeperlink::Message& fact);
    void on_happened();
    Result<void> take_home();
    void look_after_runtime();
    void write_address() const;
    std::vector<std::string> keys_in(const std::string& where,
                                     const std::vector<std::string>& texts);
    [[nodiscard]] AgentInfo info() const;

    loop::EventLoop& loop_;
    AgentOptions options_;
    loop::HeapTrimmer trimmer_;
    WallTime started_;
    std::vector<std::string> config_warnings_;
    loop::Registration clock_hook_;
    os::UniqueFd lock_;
    home::Places places_;
    std::optional<home::RuntimeFolder> folder_;  // unset: the home has the old layout
    std::string mark_;
    std::string standby_;  // why nothing begins by itself here; "": it may
    std::string standby_notice_;
    bus::Context context_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<native::KeeperClient> keeper_;
    std::unique_ptr<native::NativeBackend> native_;
    // A command for all apps reads a descriptor for each.
    loop::WorkerPool pool_{loop::WorkerPool::LaneOptions{/*threads=*/2, /*max_waiting=*/20'000}};
    std::unique_ptr<apps::Apps> apps_;
    events::Cursor seen_;
    std::unique_ptr<RelayBridge> relay_;
    std::unique_ptr<control::Door> door_;
    std::unique_ptr<logs::LogJanitor> janitor_;
    std::function<void(Result<void>)> upgrade_answered_;
    std::unique_ptr<home::HomeWatch> home_watch_;
    bool over_ = false;  // all is said and done
    os::UniqueFd signals_;
    loop::Registration signals_watch_;
};

}  // namespace berth::app
