#include <optional>

#include "agent/cli/commands.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/wire/status.h"

namespace berth::cli {

using wire::Value;

namespace {

constexpr Duration kLimit = std::chrono::seconds(30);

constexpr Duration kOneTry = std::chrono::milliseconds(250);

Result<AgentInfo> ask_who(Client& client, Duration limit) {
    BERTH_TRY(const Value info, client.ask("hello", Value::Map{}, limit));
    return wire::to_agent_info(info["agent"]);
}

// Asks for the upgrade and waits until the agent has ended, which it does after a yes. That yes may
// be lost with it; a no is not.
Result<void> ask_for_upgrade(Session& session, Client& client, const Value& args, pid_t agent) {
    BERTH_TRY(const os::UniqueFd pidfd, os::open_pidfd(agent));
    bool ended = false;
    std::optional<Result<Value>> answer;
    const auto watch = session.loop->watch(
        pidfd.get(), loop::Interest::Read, [&ended](bool, bool) { ended = true; });
    client.send("upgrade", args, [&answer](Result<Value> said) { answer = std::move(said); });
    const MonoTime give_up = MonoClock::now() + kLimit;
    while (!ended && !(answer && !*answer) && MonoClock::now() < give_up &&
           session.loop->turn(give_up - MonoClock::now())) {
    }
    if (ended) {
        return {};
    }
    return answer && !*answer ? fail(answer->error())
                              : fail(ErrorCode::TimedOut, "the old agent has not ended");
}

// The agent that comes after `old`, asked over a connection of its own each time: one that was made
// while nobody listened may be lost.
Result<AgentInfo> wait_for_next(Session& session, std::int32_t old) {
    const MonoTime give_up = MonoClock::now() + kLimit;
    for (;;) {
        const auto client = Client::connect(*session.loop, session.agent_home(session.agent));
        auto info = client ? ask_who(**client, kOneTry) : Result<AgentInfo>(fail(client.error()));
        if (info && info->pid != old) {
            return info;
        }
        if (MonoClock::now() > give_up) {
            return info ? fail(ErrorCode::TimedOut, "the new agent has not come up")
                        : std::move(info);
        }
    }
}

// The folder that the new programs are in: by default that of this one, so that `berth` of a new
// version brings its keeper and agent with it.
Result<std::string> source_folder(const Session& session) {
    if (session.arguments.has("--from")) {
        return os::real_path(session.arguments.get("--from"));
    }
    BERTH_TRY(const std::string self, os::sibling_executable("berth"));
    return self.substr(0, self.rfind('/'));
}

Result<AgentInfo> upgrade(Session& session) {
    BERTH_TRY(const std::string folder, source_folder(session));
    BERTH_TRY(Client* const client, session.client(session.agent));
    BERTH_TRY(const AgentInfo before, ask_who(*client, kLimit));
    BERTH_CHECK(ask_for_upgrade(session, *client, Value::Map{{"folder", folder}}, before.pid));
    return wait_for_next(session, before.pid);
}

}  // namespace

int run_agent_upgrade(Session& session) {
    const auto after = upgrade(session);
    if (!after) {
        return report(after.error());
    }
    print("agent " + after->name + " and its keeper are now of version " + after->version +
          "; agent pid " + std::to_string(after->pid) + ", keeper pid " +
          std::to_string(after->keeper_pid) + "\n");
    return kDone;
}

}  // namespace berth::cli
