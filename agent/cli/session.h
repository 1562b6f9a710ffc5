#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/cli/arguments.h"
#include "agent/cli/client.h"
#include "agent/cli/output.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_status.h"

namespace berth::cli {

// Exit codes.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kNothing = 3;
inline constexpr int kUnreachable = 4;
inline constexpr int kForbidden = 5;

int exit_code_of(const Error& error);

// Says the error on stderr and gives its exit code.
int report(const Error& error);

// Says on stderr what no app is called. Gives 3, or 0 when there is none.
int report_unmatched(const std::vector<std::string>& unmatched);

// What all commands of one run share.
struct Session {
    Arguments arguments;
    Style style;
    std::string home;          // $BERTH_HOME
    std::string agent;         // --agent, else "default"
    std::string actor;         // "root on the command line"
    bool expressions = false;  // words that name apps are expressions, also when they are ids
    std::unique_ptr<loop::EventLoop> loop;

    [[nodiscard]] std::string agent_home(const std::string& name) const {
        return home + "/agents/" + name;
    }

    // Of an agent of this home, or of another machine when a controller of this home runs that
    // knows it. Error: Unavailable, with the agents that there are.
    Result<Client*> client(const std::string& agent_name);

    // Agents of other machines, by the names that the controller of this home has for them; empty
    // also when none runs.
    [[nodiscard]] std::vector<std::string> remote_agents() const;

    // It is one of those, and none of this home.
    [[nodiscard]] bool is_remote(const std::string& agent_name) const;

    // The connection is of no use any more: the next one is made anew.
    void forget_client(const std::string& agent_name) { clients_.erase(agent_name); }

    // Starts the agent when it is not there, and waits until it answers. Gives its hello. The
    // output of a new one goes to LOG_FILE. Error: it did not come up.
    Result<wire::Value> bring_up(const std::string& agent_name, const std::string& log_file);

    // From now on this process ends, as by SIGPIPE, when who reads its output has gone, also while
    // there is nothing to write.
    void end_with_reader();

    // Agents below the home that are running.
    [[nodiscard]] std::vector<std::string> running_agents() const;

private:
    std::map<std::string, std::unique_ptr<Client>> clients_;
    loop::Registration reader_;
};

std::string default_home();

// Patterns by the agent that they are for: "lab/sensor.*" is for lab, others for --agent.
std::map<std::string, std::vector<std::string>> by_agent(const Session& session,
                                                         const std::vector<std::string>& patterns);

// Whose mailbox "AGENT/ID" names, or "ID" of --agent; there may be no such app.
struct Target {
    std::string agent;
    std::string app;
};

Target target_of(const Session& session, const std::string& word);

// The apps that match, of every agent that was asked; without patterns those of all running agents
// (or of --agent, when it is given).
struct Listing {
    std::vector<AppStatus> apps;
    std::map<std::string, std::vector<wire::LogLine>> tails;  // by AGENT/ID
    std::vector<std::string> unmatched;
    std::vector<Error> silent;          // of the agents that do not answer
    std::vector<std::string> problems;  // what agents say that they cannot do
};

// What an agent that does not answer, among several, means: that the listing fails, or that it is
// told in it.
enum class Silent : std::uint8_t { Fails, IsTold };

Result<Listing> list_apps(Session& session,
                          const std::vector<std::string>& patterns,
                          std::size_t tail_lines,
                          Silent silent = Silent::Fails);

// Exactly one app. Error: none or several match.
Result<AppStatus> one_app(Session& session, const std::string& pattern);

}  // namespace berth::cli
