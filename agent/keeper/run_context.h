#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/keeper/log_writer.h"
#include "agent/keeper/nursery.h"
#include "agent/keeperlink/messages.h"
#include "shared/loop/event_loop.h"
#include "shared/os/cgroup.h"

namespace berth::keeper {

// Descriptors that starts leave to the keeper: for walking trees of processes, turning logs over,
// the next agent. What runs beside apps may take half of them.
constexpr std::uint64_t kReservedDescriptors = 16;

// What all runs share. The Keeper's, and filled in by it before the first of them.
struct RunContext {
    loop::EventLoop& loop;
    std::string io_folder;    // where the FIFOs are
    std::string logs_folder;  // where each app has its log folder
    std::string home_id;      // of the records: names what others may see
    std::function<void(const keeperlink::Message&)> tell;  // the agent, if there is one

    struct rlimit original_nofile {};  // before the keeper raised its own

    std::vector<std::string> controllers = {};     // of cgroup v2, that hold in the groups below it
    std::optional<os::Cgroup> cgroup = {};         // of this home
    std::string buffer = {};                       // for reading; one for all
    Nursery nursery = {};                          // of children on their way to exec
    std::string log_scratch = {};                  // for putting lines together; one for all
    std::map<std::string, LogLoss> losses = {};    // of logs that are closed, not told in them yet
    std::uint64_t reserve = kReservedDescriptors;  // that the next start has to leave
};

}  // namespace berth::keeper
