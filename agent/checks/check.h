#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/checks/log_check.h"
#include "agent/checks/probe.h"
#include "agent/logs/log_watch.h"
#include "shared/loop/event_loop.h"
#include "shared/model/app_spec.h"

namespace berth::checks {

enum class Purpose : std::uint8_t {
    Ready,   // until the first good answer
    Health,  // from then on
};

// The run that is checked.
struct Subject {
    std::uint64_t generation = 0;
    WallTime started;
    std::string log_folder;
    ReadySpec ready;
    HealthSpec health;
};

// What checks share.
struct CheckContext {
    loop::EventLoop& loop;
    Resolver& resolver;
    logs::LogWatch& log_watch;
};

struct CheckEvents {
    // Runs a shell line as the app; the answer may come after the check has gone.
    std::function<void(const std::string& line, Duration timeout, ProbeDone done)> run;
    // Ready: it is. Health: it is not any more, for this reason. At most once, from the loop.
    std::function<void(const std::string& problem)> decided;
    // Calls back when all that the app has said until now has been told; not at all when it cannot
    // be known, then said_alive() follows.
    std::function<void(std::function<void()> told)> hear_out;
    // evidence() has changed.
    std::function<void()> seen;
};

// Looks after one run of one app, from one state of it to the next: the ready check while it
// starts, the health check and the watchdog while it runs. Destroying it ends the checking.
class Check {
public:
    Check(CheckContext context, Purpose purpose, Subject subject, CheckEvents events);
    Check(const Check&) = delete;
    Check& operator=(const Check&) = delete;

    // Whether there is anything to check for this purpose.
    static bool wanted(Purpose purpose, const ReadySpec& ready, const HealthSpec& health);

    [[nodiscard]] bool is_for(Purpose purpose, std::uint64_t generation) const {
        return purpose_ == purpose && subject_.generation == generation;
    }

    // What the app said over its NOTIFY_SOCKET.
    void said_ready();
    void said_alive();
    void said_trouble();

    // What was seen last: "tcp 127.0.0.1:5432: connection refused, 7 times in a row".
    [[nodiscard]] std::string evidence() const;

private:
    void begin_ready();
    void begin_health();
    void probe_after(Duration delay);
    void probe();
    void answered(const ProbeResult& result);
    void arm_watchdog();
    void decide(const std::string& problem);

    CheckContext context_;
    Purpose purpose_;
    Subject subject_;
    CheckEvents events_;
    std::string exec_;  // of the three, the one that is set
    std::string tcp_;
    std::string http_;
    Duration probe_timeout_{};
    Duration retry_delay_;
    std::uint32_t bad_in_a_row_ = 0;
    std::optional<ProbeResult> last_;
    std::unique_ptr<Probe> probe_;
    std::unique_ptr<LogCheck> log_check_;
    std::string trouble_;  // why there can be no check
    bool decided_ = false;
    loop::Registration timer_;
    loop::Registration watchdog_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace berth::checks
