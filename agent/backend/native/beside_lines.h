#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "agent/backend/backend.h"
#include "agent/backend/native/keeper_client.h"
#include "shared/time/clock.h"

namespace berth::native {

// The shell lines that the keeper runs beside apps, until each is done. Owned by the native
// backend, in the agent's loop.
class BesideLines {
public:
    explicit BesideLines(KeeperClient& keeper) : keeper_(keeper) {}

    // `start` names the run that it belongs to. `done` is called once.
    void run(keeperlink::Start start,
             const std::string& line,
             Duration timeout,
             backend::Backend::BesideDone done);

    void on_done(const keeperlink::ExecDone& message);

    // The keeper died, and with it what ran beside the apps.
    void on_lost();

private:
    KeeperClient& keeper_;
    std::map<std::uint64_t, backend::Backend::BesideDone> under_way_;  // by token
    std::uint64_t next_token_ = 1;
};

}  // namespace berth::native
