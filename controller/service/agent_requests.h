#pragma once

#include <memory>
#include <string>
#include <utility>

#include "controller/fleet/fleet.h"
#include "shared/base/result.h"
#include "shared/base/text.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/poster.h"

namespace berth::service {

// An app of an agent, whose names are ids.
struct AppAddress {
    std::string agent;
    std::string id;

    [[nodiscard]] std::string key() const { return fleet::app_key(agent, id); }

    // Error: InvalidArgument.
    static Result<AppAddress> of(std::string agent, std::string id);
};

// The way from other threads to the fleet. Any thread, but where something else is said.
class AgentRequests {
public:
    AgentRequests(fleet::Fleet& fleet, loop::EventLoop& loop, loop::PosterPtr poster)
        : fleet_(fleet), loop_(loop), poster_(std::move(poster)) {}

    // As Fleet::request(). `answer` is called on the fleet loop.
    void ask(const std::string& agent,
             const std::string& verb,
             wire::Value args,
             Duration deadline,
             fleet::AgentLink::Answer answer) const;

    // Runs `job` on the fleet loop. False: it has ended.
    bool post(std::function<void()> job) const { return poster_->post(std::move(job)); }

    [[nodiscard]] fleet::FleetViewPtr view() const { return fleet_.view(); }

    // Fleet loop thread only, as its loop.
    [[nodiscard]] fleet::Fleet& fleet() const { return fleet_; }

    [[nodiscard]] loop::EventLoop& loop() const { return loop_; }

private:
    fleet::Fleet& fleet_;
    loop::EventLoop& loop_;
    loop::PosterPtr poster_;
};

// The error of a change that an agent was asked for. TimedOut means that no answer came: that is
// no refusal, and it is said so.
Error change_error(const Error& error);

// What the audit log says of it.
std::string change_failed(const Error& error);

}  // namespace berth::service
