#pragma once

#include <signal.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/keeper/agent_process.h"
#include "agent/keeper/handover.h"
#include "agent/keeper/helpers.h"
#include "agent/keeper/records.h"
#include "agent/keeper/run_context.h"
#include "agent/keeper/runs.h"
#include "agent/keeper/upgrade.h"
#include "agent/keeperlink/link.h"
#include "shared/home/home_watch.h"
#include "shared/home/places.h"
#include "shared/home/runtime_folder.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

struct KeeperOptions {
    std::string home;
    std::vector<std::string> agent_command;
    int agent_fd = -1;  // an agent has started us and waits at the other end; -1: we start one
    bool use_cgroup = true;
    std::string program;   // that we were started as, for the next keeper
    std::string name;      // of the agent; empty: not given
    int handover_fd = -1;  // this process was a keeper before
    int report_fd = -1;    // where to say how the start went, see os/start_report.h
};

// What this keeper is there for, as it was told last.
enum class Intent : std::uint8_t {
    Run,
    Terminate,  // SIGTERM came: the agent is to stop everything and leave
    Leave,      // end as soon as no app is left
    Agentless,  // the apps run on; start no agent until SIGHUP
};

// The parent of every app of one home: what its children, its agent and whoever sends it signals
// want of it goes to the part that knows what to do. One thread, one loop. It ends when the agent
// has left for good and no app is left, or becomes the next keeper; one that is killed is followed
// by one that the agent starts, and that finds all in the records. See messages.h.
class Keeper {
public:
    // Takes the home's keeper lock (waiting for a dying keeper when an agent started us), opens the
    // records and adopts what lives. Error: another keeper runs, or the home is not usable.
    static Result<std::unique_ptr<Keeper>> create(loop::EventLoop& loop,
                                                  const KeeperOptions& options);

    // Until all is done: returns when the agent has left for good and no app is left.
    void run();

private:
    Keeper(loop::EventLoop& loop,
           const KeeperOptions& options,
           os::UniqueFd lock,
           home::Places places,
           home::RuntimeFolder folder,
           Records records);

    Result<void> prepare(const std::optional<Handover>& handover);
    void link_up(os::UniqueFd socket);
    void link_down(const Error& why);
    void send(const keeperlink::Message& message);

    void on_signals();
    void on_terminate();
    void on_given_up();
    void end_without_agent();
    void on_child(pid_t pid);
    void on_children();
    void on_child_end(siginfo_t info);
    void on_agent_end(pid_t pid);

    void on_message(const keeperlink::Message& message);
    void on_leave(const keeperlink::Leave& leave);
    void on_ping(const keeperlink::Ping& ping);
    void end_when_done();

    [[nodiscard]] bool terminating() const { return intent_ == Intent::Terminate; }

    void look_after_runtime();
    void look_where_home_is();
    void save_what_is_not_told();

    void try_upgrade(const std::string& folder);
    void become_next();

    loop::EventLoop& loop_;
    KeeperOptions options_;
    os::UniqueFd lock_;
    home::Places places_;
    home::RuntimeFolder folder_;
    os::UniqueFd home_;  // the folder, wherever it is moved to
    RunContext context_;
    Runs runs_;
    Helpers helpers_;
    AgentProcess agent_;
    std::unique_ptr<keeperlink::Link> link_;
    std::uint64_t links_ = 0;  // so far, this one included
    Intent intent_ = Intent::Run;
    Upgrade upgrade_;
    loop::Registration upgrade_timer_;  // for an agent that does not end
    loop::Registration grace_;          // of the apps, when there is no agent to end them
    bool version_tried_ = false;        // an upgrade because the agent is of another version
    os::UniqueFd signals_;
    loop::Registration signals_watch_;
    std::unique_ptr<home::HomeWatch> home_watch_;
    bool moved_ = false;
};

}  // namespace berth::keeper
