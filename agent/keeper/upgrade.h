#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "shared/loop/event_loop.h"

namespace berth::keeper {

// Tries whether the keeper (and the agent beside it) in another folder, or a newer one in the same,
// can take over: runs it with --check, which opens this home's records for reading only. Owned by
// the Keeper, which tells it when the program that it has started has ended.
class UpgradeCheck {
public:
    // `refusal` is empty: it can.
    using Answered = std::function<void(const std::string& refusal)>;

    UpgradeCheck(loop::EventLoop& loop, std::string home) : loop_(loop), home_(std::move(home)) {}

    // Calls back once. One at a time: another is refused.
    void begin(const std::string& program, Answered answered);

    // A child of the keeper has ended. True: it was ours.
    bool ended(pid_t pid, int wait_status);

private:
    void answer(const std::string& refusal);

    loop::EventLoop& loop_;
    std::string home_;
    Answered answered_;
    pid_t pid_ = 0;
    loop::Registration deadline_;
};

// What `berth-keeper --check` does: says on stderr why not, and gives 1; or becomes
// `berth-agent --check`.
int check_upgrade(const std::string& home,
                  const std::string& agent,
                  std::uint32_t handover_version,
                  std::uint32_t records_version);

}  // namespace berth::keeper
