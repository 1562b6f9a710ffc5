#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/os/start_report.h"
#include "shared/os/unique_fd.h"

namespace berth::cli {

// A program of ours that runs as a service of this home: who holds LOCK, and the pid in PID_FILE.
struct Service {
    std::string lock;
    std::string pid_file;
};

Service keeper_service(const std::string& agent_home);
Service agent_service(const std::string& agent_home);
Service controller_service(const std::string& home);
// Where the controller of a home answers the command line, and where it writes down the names of
// the agents of other machines.
std::string controller_socket(const std::string& home);
std::string remote_agents_file(const std::string& home);

Service up_service(const std::string& home);

// The pid of the process that holds the lock now. Nothing: nobody does.
std::optional<int> running_pid(const Service& service);

// Why nobody answers for an agent: it, or the keeper that would start it, is held still (SIGSTOP).
// Nothing: that is not why.
std::optional<std::string> held_still(const std::string& agent_home);

// When the lock of a home was removed while its keeper lives: that it does, and what helps.
// To be asked when nobody answers.
std::optional<std::string> without_lock(const std::string& agent_home);

// The folders below this home that are homes: of its agents, and of its controller.
std::vector<std::string> homes_below(const std::string& home);

// Why one of them does nothing by itself, being a copy of a home that lives, and what helps; "":
// none does.
std::string standby_notice(const std::string& home);

// Lets a service go on should it be held still, so that it can do what it was asked to.
void let_go_on(const Service& service);

// A descriptor that is readable when the process has ended. Nothing: it does not run.
std::optional<os::UniqueFd> watch_end(const Service& service);

// Runs the loop until the service has ended. False: not within `limit`.
bool wait_for_end(loop::EventLoop& loop, const Service& service, Duration limit);

// Waits, by inotify on its folder, until `path` exists. False: not within `limit`, or `broken` says
// so.
bool wait_for_file(loop::EventLoop& loop,
                   const std::string& path,
                   Duration limit,
                   const std::function<bool()>& broken);

// Until the descriptor is readable, as a pidfd is when its process has ended. False: not within
// `limit`.
bool wait_readable(loop::EventLoop& loop, const os::UniqueFd& fd, Duration limit);

// What a program says of its start; nothing: not within `limit`.
std::optional<os::StartReport> wait_for_report(loop::EventLoop& loop,
                                               const os::Starting& starting,
                                               Duration limit);

// The keeper of an agent, started in a session of its own, which reports how that went; an
// agentless one is told to start its agent. Nothing: it was there.
Result<std::optional<os::Starting>> ensure_agent(const std::string& agent_home,
                                                 const std::string& name,
                                                 const std::string& log_file);

}  // namespace berth::cli
