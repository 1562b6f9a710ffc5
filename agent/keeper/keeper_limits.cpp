#include "agent/keeper/keeper.h"
#include "shared/log/log.h"

namespace berth::keeper {

// The part of the Keeper that looks after limits which no controller of the kernel holds here.

namespace {

constexpr Duration kLimitCheck = std::chrono::seconds(1);

}  // namespace

// The timer runs only while there is a run whose limits nobody else looks after.
void Keeper::watch_limits(const Run& run) {
    if (!limits_timer_.active() && run.watched_limits().any()) {
        limits_timer_ = loop_.after(kLimitCheck, [this] { check_limits(); });
    }
}

void Keeper::check_limits() {
    limits_timer_.reset();
    for (const auto& [id, run] : runs_) {
        watch_limits(*run);
        const WatchedLimits limits = run->watched_limits();
        if (!limits.any() || run->killing) {
            continue;
        }
        if (const auto breach = find_breach(limits, run->tree(), known_children_)) {
            log::warning("an app is over its limit and is killed", {{"app", id}});
            run->set_cause(*breach);
            run->killing = true;
            kill_tree(run->tree(), tree_members(run->tree(), known_children_));
        }
    }
}

}  // namespace berth::keeper
