#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <string>
#include <vector>

#include "agent/keeper/log_writer.h"
#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

// What a keeper leaves to the one that it becomes by exec: descriptors, and what neither the
// records nor the kernel know. Children, their exit codes, the process's own pid and its signal
// mask stay by themselves.
//
// The text in the memfd is: u32 version, then fields and, for each run, one length-prefixed part. A
// reader ignores what it does not know at the end of a part and takes what is missing as zero, so
// fields are only ever added at an end.
namespace berth::keeper {

// Bump when an older or newer keeper would misread it. --check refuses another version before
// anything is given up.
inline constexpr std::uint32_t kHandoverVersion = 1;

struct RunHandover {
    std::string id;
    std::uint64_t generation = 0;
    std::int32_t output = -1;  // descriptors; -1: none
    std::int32_t error = -1;
    std::int32_t input = -1;
    std::int32_t gate = -1;  // it has not confirmed its exec
    bool adopted = false;    // its leader is not our child
    bool killing = false;
    bool forget_when_gone = false;
    std::string pending_input;
    LogLoss loss;
};

struct Handover {
    std::int32_t lock = -1;

    struct rlimit nofile {};  // before the first keeper raised its own

    bool terminating = false;
    bool version_tried = false;  // this upgrade is because the agent is of another version
    std::vector<RunHandover> runs;

    struct Loss {
        std::string id;
        LogLoss loss;
    };

    std::vector<Loss> losses;  // of closed logs
};

std::string encode(const Handover& handover);
Result<Handover> decode_handover(std::string_view bytes);

// A memfd that holds it, and is passed on at exec, as are all descriptors in it. Error: nothing has
// changed.
Result<os::UniqueFd> hand_over(const Handover& handover);

// Closes the descriptors to later children again: exec has failed.
void take_back(const Handover& handover);

// Reads it in the new keeper; its descriptors are closed to children from now on.
Result<Handover> take_over(int memfd);

}  // namespace berth::keeper
