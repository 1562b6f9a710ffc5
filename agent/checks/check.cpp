#include "agent/checks/check.h"

#include <algorithm>

namespace berth::checks {

namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(25);
constexpr Duration kLongestRetry = std::chrono::seconds(1);
constexpr Duration kReadyProbeTimeout = std::chrono::seconds(5);

std::string in_a_row(std::uint32_t count) {
    return count < 2 ? "" : ", " + std::to_string(count) + " times in a row";
}

}  // namespace

Check::Check(CheckContext context, Purpose purpose, Subject subject, CheckEvents events)
    : context_(context),
      purpose_(purpose),
      subject_(std::move(subject)),
      events_(std::move(events)),
      retry_delay_(kFirstRetry) {
    purpose_ == Purpose::Ready ? begin_ready() : begin_health();
}

bool Check::wanted(Purpose purpose, const ReadySpec& ready, const HealthSpec& health) {
    if (purpose == Purpose::Ready) {
        return ready.notify || !ready.log.empty() || !ready.tcp.empty() || !ready.http.empty() ||
               !ready.exec.empty();
    }
    return health.watchdog > Duration::zero() || !health.tcp.empty() || !health.http.empty() ||
           !health.exec.empty();
}

void Check::begin_ready() {
    const ReadySpec& ready = subject_.ready;
    exec_ = ready.exec;
    tcp_ = ready.tcp;
    http_ = ready.http;
    probe_timeout_ = exec_.empty() ? std::min(ready.timeout, kReadyProbeTimeout) : ready.timeout;
    if (!ready.log.empty()) {
        auto begun = LogCheck::begin(context_.loop,
                                     context_.log_watch,
                                     subject_.log_folder,
                                     subject_.started,
                                     ready.log,
                                     [this] { decide({}); });
        if (begun) {
            log_check_ = std::move(*begun);
        } else {
            trouble_ = begun.error().message;
        }
    } else if (!ready.notify) {
        probe_after(Duration::zero());
    }
}

void Check::begin_health() {
    const HealthSpec& health = subject_.health;
    exec_ = health.exec;
    tcp_ = health.tcp;
    http_ = health.http;
    probe_timeout_ = health.timeout;
    if (!exec_.empty() || !tcp_.empty() || !http_.empty()) {
        probe_after(health.interval);
    }
    if (health.watchdog > Duration::zero()) {
        arm_watchdog();
    }
}

void Check::probe_after(Duration delay) {
    timer_ = context_.loop.after(delay, [this] { probe(); });
}

void Check::probe() {
    const ProbeContext context{context_.loop, context_.resolver};
    const auto done = [this, alive = std::weak_ptr<bool>(alive_)](const ProbeResult& result) {
        if (alive.lock()) {
            answered(result);
        }
    };
    if (!tcp_.empty()) {
        probe_ = probe_tcp(context, tcp_, probe_timeout_, done);
    } else if (!http_.empty()) {
        probe_ = probe_http(context, http_, probe_timeout_, done);
    } else {
        events_.run(exec_, probe_timeout_, done);
    }
}

void Check::answered(const ProbeResult& result) {
    const bool same = last_ && last_->verdict == result.verdict && last_->text == result.text;
    last_ = result;
    bad_in_a_row_ = result.verdict == Verdict::Bad    ? bad_in_a_row_ + 1
                    : result.verdict == Verdict::Good ? 0
                                                      : bad_in_a_row_;
    if (!same || result.verdict == Verdict::Bad) {
        events_.seen();
    }
    if (purpose_ == Purpose::Ready) {
        if (result.verdict == Verdict::Good) {
            return decide({});
        }
        probe_after(retry_delay_);
        retry_delay_ = std::min(retry_delay_ * 2, kLongestRetry);
        return;
    }
    if (bad_in_a_row_ >= subject_.health.failures) {
        return decide("unhealthy: " + evidence());
    }
    probe_after(subject_.health.interval);
}

void Check::arm_watchdog() {
    const Duration limit = subject_.health.watchdog;
    watchdog_ = context_.loop.after(limit, [this, limit] {
        watchdog_.reset();
        // What it says comes through the keeper: silence counts when that is no silence of it.
        events_.hear_out([this, limit, alive = std::weak_ptr<bool>(alive_)] {
            if (alive.lock() && !watchdog_.active()) {
                decide("unhealthy: no sign of life (WATCHDOG=1) for " + short_duration(limit));
            }
        });
    });
}

void Check::said_ready() {
    if (purpose_ == Purpose::Ready && subject_.ready.notify) {
        decide({});
    }
}

void Check::said_alive() {
    if (purpose_ == Purpose::Health && subject_.health.watchdog > Duration::zero() && !decided_) {
        arm_watchdog();
    }
}

void Check::said_trouble() {
    if (purpose_ == Purpose::Health) {
        decide("unhealthy: it asked to be restarted (WATCHDOG=trigger)");
    }
}

// From a turn of its own: the owner answers by destroying this.
void Check::decide(const std::string& problem) {
    if (std::exchange(decided_, true)) {
        return;
    }
    timer_.reset();
    watchdog_.reset();
    context_.loop.post([alive = std::weak_ptr<bool>(alive_), decided = events_.decided, problem] {
        if (alive.lock()) {
            decided(problem);
        }
    });
}

std::string Check::evidence() const {
    if (!trouble_.empty()) {
        return trouble_;
    }
    if (last_) {
        return last_->text + in_a_row(bad_in_a_row_);
    }
    if (purpose_ == Purpose::Health) {
        return {};
    }
    if (subject_.ready.notify) {
        return "it has not said READY=1";
    }
    return subject_.ready.log.empty() ? "" : "no line of its log matches " + subject_.ready.log;
}

}  // namespace berth::checks
