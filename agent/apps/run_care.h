#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "agent/apps/app.h"
#include "agent/backend/backend.h"
#include "agent/checks/check.h"
#include "agent/checks/resolver.h"
#include "agent/logs/log_watch.h"
#include "shared/base/result.h"
#include "shared/loop/event_loop.h"

namespace berth::apps {

// Looks after the present run of each app: its ready check while it starts, its health check and
// watchdog while it runs, its stop command when it is to end. What it finds out it tells its owner,
// who alone feeds machines. Owned by Apps. Loop thread.
class RunCare {
public:
    struct Owner {
        // The app as it is now; null: it is no more.
        std::function<const App*(const std::string& id)> find;
        // Ready: that run is. Health: it is not any more, for this reason.
        std::function<void(const std::string& id, checks::Purpose purpose, const std::string& why)>
            decided;
        // evidence() has changed.
        std::function<void(const std::string& id)> seen;
        std::function<std::string(const std::string& id)> log_folder;
    };

    static Result<std::unique_ptr<RunCare>> create(loop::EventLoop& loop,
                                                   backend::Backend& backend,
                                                   Owner owner);

    // Begins and ends the checks that belong to the app's state.
    void follow(const App& app);

    // What it said of itself.
    void said(const std::string& id, const backend::Notified& said);

    // The backend was away: what apps said meanwhile could not be heard.
    void was_deaf();

    // Runs its stop command; `done` is called once with "" or why it did not succeed, unless the
    // run is over or is not stopping any more by then.
    void run_stop_command(const App& app, std::function<void(const std::string& failure)> done);

    // What its ready or health check has seen last; "": nothing.
    [[nodiscard]] std::string evidence(const std::string& id) const;

    // The app is no more.
    void remove(const std::string& id) { checks_.erase(id); }

private:
    RunCare(loop::EventLoop& loop,
            backend::Backend& backend,
            std::unique_ptr<logs::LogWatch> log_watch,
            Owner owner);

    void decided(const std::string& id,
                 std::uint64_t generation,
                 checks::Purpose purpose,
                 const std::string& why);
    void run_probe(const std::string& id,
                   std::uint64_t generation,
                   const std::string& line,
                   Duration timeout,
                   checks::ProbeDone done);

    loop::EventLoop& loop_;
    backend::Backend& backend_;
    Owner owner_;
    checks::Resolver resolver_;
    std::unique_ptr<logs::LogWatch> log_watch_;
    std::map<std::string, std::unique_ptr<checks::Check>> checks_;  // by app
};

}  // namespace berth::apps
