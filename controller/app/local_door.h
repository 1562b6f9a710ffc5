#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/fleet/fleet.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"
#include "shared/wire/control.h"
#include "shared/zmtp/router.h"

namespace berth::controller {

// The way of the command `berth` to agents on other machines: a socket in the controller's run
// folder, which only its user and root can open, and on which the control protocol is spoken (see
// shared/wire/control.h), with two verbs of its own:
//
//   agents                                    -> agents (name, endpoint, local, state, error)
//   ask   agent, verb, args, timeout_ms       -> what the agent answers to that
//
// What an agent does for the owner of its home alone it refuses here too. Owned by the Controller.
// Fleet loop thread.
class LocalDoor {
public:
    // Told of each change that is asked for: who, what, of whom.
    using Asked = std::function<void(
        const std::string& actor, const std::string& verb, const std::string& target)>;

    static Result<std::unique_ptr<LocalDoor>> open(loop::EventLoop& loop,
                                                   fleet::Fleet& fleet,
                                                   const std::string& path,
                                                   Asked asked);

private:
    LocalDoor(fleet::Fleet& fleet, Asked asked) : fleet_(fleet), asked_(std::move(asked)) {}

    void received(const std::string& route, std::string_view frame);
    void ask(const std::string& route, const wire::Request& request);
    [[nodiscard]] wire::Value agents() const;
    void answer(const std::string& route, const wire::Reply& reply);

    fleet::Fleet& fleet_;
    Asked asked_;
    std::unique_ptr<zmtp::Router> router_;
};

}  // namespace berth::controller
