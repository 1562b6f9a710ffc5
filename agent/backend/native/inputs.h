#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "agent/backend/backend.h"
#include "agent/backend/native/keeper_client.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::native {

// Input on its way to apps. Each is answered once the keeper has said how much of it was taken; of
// one that may wait, the rest is offered again whenever the app has read what was before it. Owned
// by the native backend, in the agent's loop.
class Inputs {
public:
    using Answer = backend::Backend::InputDone;

    Inputs(loop::EventLoop& loop, native::KeeperClient& keeper) : loop_(loop), keeper_(keeper) {}

    // `patience`: how long it may wait for the app to read; zero: not at all.
    void send(const keeperlink::RunName& run, std::string data, Duration patience, Answer answer);

    void on_taken(const keeperlink::InputTaken& taken);
    void on_room(const keeperlink::RunName& run);
    void on_ended(const keeperlink::RunName& run);

    // The keeper has gone, and with it what it has not written yet.
    void on_lost();

private:
    struct Sending {
        keeperlink::RunName run;
        std::string rest;
        std::size_t taken = 0;
        bool waits = false;  // for room; else for the keeper's word
        std::string why;     // it had no room last
        bool patient = false;
        loop::Registration patience;
        Answer answer;
    };

    void offer(std::uint64_t token);
    void give_up(std::uint64_t token);
    void finish(std::uint64_t token, std::optional<Error> why);

    loop::EventLoop& loop_;
    native::KeeperClient& keeper_;
    std::map<std::uint64_t, Sending> sendings_;
    std::uint64_t next_ = 1;
};

}  // namespace berth::native
