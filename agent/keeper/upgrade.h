#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "agent/keeper/handover.h"
#include "shared/home/places.h"
#include "shared/loop/event_loop.h"

namespace berth::keeper {

// Becoming the keeper in another folder, or a newer one in the same: by exec in place, so that it
// stays the parent of all apps, with the same pid and locks. First that one, and the agent beside
// it, are run with --check, which opens this home's records for reading only. Owned by the Keeper,
// which tells it when the program that it has started has ended.
class Upgrade {
public:
    // `refusal` is empty: it can take over, and become() is next, once the agent is gone.
    using Answered = std::function<void(const std::string& refusal)>;

    Upgrade(loop::EventLoop& loop, std::string home, const home::Places& places)
        : loop_(loop), home_(std::move(home)), output_(places.at("upgrade.check")) {}

    // Calls back once. One at a time: another is refused.
    void begin(const std::string& program, Answered answered);

    // A child of the keeper has ended. True: it was ours.
    bool ended(pid_t pid, int wait_status);

    // The next become() is of the same program, for the home at its new path.
    void move_to(const std::string& program, const std::string& home) {
        program_ = program;
        home_ = home;
    }

    [[nodiscard]] bool agreed() const { return agreed_; }

    // With `arguments` after those that every keeper gets. Returns when it failed: the program was
    // there a moment ago, and now it is not. Nothing has changed then.
    void become(const Handover& handover, const std::vector<std::string>& arguments);

private:
    void answer(const std::string& refusal);

    loop::EventLoop& loop_;
    std::string home_;
    std::string output_;  // of the check
    std::string program_;
    bool agreed_ = false;
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
