#pragma once

#include <signal.h>

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "agent/keeper/agent_process.h"
#include "agent/keeper/helpers.h"
#include "agent/keeper/records.h"
#include "agent/keeper/run.h"
#include "agent/keeper/upgrade.h"
#include "shared/keeperlink/link.h"
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
};

// What this keeper is there for, as it was told last.
enum class Intent : std::uint8_t {
    Run,
    Terminate,  // SIGTERM came: the agent is to stop everything and leave
    Leave,      // end as soon as no app is left
    Agentless,  // the apps run on; start no agent until SIGHUP
};

// The parent of every app of one home. One thread, one loop; see architecture and messages.h.
class Keeper {
public:
    // Takes the home's keeper lock (waiting for a dying keeper when an agent started us), opens the
    // records and adopts what lives. Error: another keeper runs, or the home is not usable.
    static Result<std::unique_ptr<Keeper>> create(loop::EventLoop& loop,
                                                  const KeeperOptions& options);

    // Until all is done: returns when the agent has left for good and no app is left.
    void run();

private:
    Keeper(loop::EventLoop& loop, const KeeperOptions& options, os::UniqueFd lock, Records records);

    Result<void> prepare(const std::optional<Handover>& handover);
    void adopt_runs();
    void adopt(Record& record);
    void resume_runs(const Handover& handover);
    void on_upgrade(const keeperlink::Upgrade& upgrade);
    void try_upgrade(const std::string& folder);
    void become_next();
    [[nodiscard]] Handover make_handover() const;
    void link_up(os::UniqueFd socket);
    void link_down(const Error& why);
    void send_snapshot();

    void on_signals();
    void on_child(pid_t pid);
    void on_children();
    void on_child_end(siginfo_t info);
    void on_terminate();
    void on_agent_end(pid_t pid);
    void on_message(const keeperlink::Message& message);
    void on_start(const keeperlink::Start& start);
    void on_signal(const keeperlink::Signal& signal);
    void on_input(const keeperlink::Input& input);
    void on_forget(const keeperlink::Forget& forget);
    void on_leave(const keeperlink::Leave& leave);
    void on_ping(const keeperlink::Ping& ping);

    void leader_ended(Run& run, int wait_status, bool status_known);
    void check_tree(Run& run);
    void report_end(Run& run, bool tree_gone);
    Run& place(std::unique_ptr<Run> run);
    void set_aside(std::unique_ptr<Run> run);
    static void drop(std::unique_ptr<Run> run);
    void forget(const std::string& id);
    void end_when_done();

    [[nodiscard]] bool terminating() const { return intent_ == Intent::Terminate; }

    void watch_limits(const Run& run);
    void check_limits();
    Run* find(const keeperlink::RunName& name);
    void send(const keeperlink::Message& message);

    loop::EventLoop& loop_;
    KeeperOptions options_;
    os::UniqueFd lock_;
    Records records_;
    RunContext context_;
    Helpers helpers_;
    AgentProcess agent_;
    std::unique_ptr<keeperlink::Link> link_;
    std::uint64_t links_ = 0;                           // so far, this one included
    std::map<std::string, std::unique_ptr<Run>> runs_;  // the latest of each app
    // Ended ones that a newer run has followed before the agent has stored them. One of an app at
    // most: an agent whose disk is full stores none, and the records are bounded.
    std::map<std::string, std::unique_ptr<Run>> replaced_;
    std::unordered_map<pid_t, Run*> leaders_;   // our children that are apps
    std::unordered_set<pid_t> known_children_;  // those and the agent
    Intent intent_ = Intent::Run;
    UpgradeCheck upgrade_check_;
    std::string next_program_;    // an upgrade was agreed to: what we become when the agent is gone
    bool version_tried_ = false;  // an upgrade because the agent is of another version
    loop::Registration upgrade_timer_;
    os::UniqueFd signals_;
    loop::Registration signals_watch_;
    loop::Registration limits_timer_;
};

}  // namespace berth::keeper
