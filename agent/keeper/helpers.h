#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "agent/keeper/run.h"
#include "agent/keeperlink/messages.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// Commands that run beside the apps: checks, and what comes before a stop signal. Each is a child
// of the keeper in the cgroup of its run and with its marker, so it counts to the run's tree; it
// dies with the keeper. Owned by the Keeper, in its thread.
class Helpers {
public:
    using Done = std::function<void(const keeperlink::ExecDone&)>;

    Helpers(RunContext& context, Done done) : context_(context), done_(std::move(done)) {}

    // Starts it beside `run`; null: there is no such run. Always answered by `done`, later or now.
    void start(const keeperlink::Exec& exec, const Run* run);

    // Whether the reaped child `pid` was one of ours; then it is told.
    bool ended(pid_t pid, int wait_status);

private:
    struct Helper {
        std::uint64_t token = 0;
        os::UniqueFd output;
        os::UniqueFd gate;
        std::string text;  // the last kMaxOutput bytes
        bool timed_out = false;
        std::int32_t failed_errno = 0;
        loop::Registration output_watch;
        loop::Registration timeout;
    };

    static bool read_output(Helper& helper);  // whether there was something
    static void read_gate(Helper& helper);

    RunContext& context_;
    Done done_;
    std::unordered_map<pid_t, std::unique_ptr<Helper>> helpers_;
};

}  // namespace berth::keeper
