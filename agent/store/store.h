#pragma once

#include <memory>
#include <string>

#include "agent/store/app_rows.h"
#include "agent/store/history.h"
#include "agent/store/settings.h"
#include "agent/store/turn.h"
#include "shared/base/result.h"

namespace berth::store {

// The agent's database, in the home, and those who use it: see Turn for what a write means. Loop
// thread.
class Store {
public:
    // Opens or makes FILE; brings an older schema up to date in one transaction.
    static Result<std::unique_ptr<Store>> open(const std::string& file);

    // One that is gone with it.
    static Result<std::unique_ptr<Store>> open_in_memory() { return open(":memory:"); }

    // The home is the folder HOME now: paths of apps below where it was before, as a copy, a move
    // or a restored backup leaves them, lead there from here on.
    void settle_in(const std::string& home);

    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    [[nodiscard]] Turn& turn() { return turn_; }

    [[nodiscard]] AppRows& apps() { return apps_; }

    [[nodiscard]] History& history() { return history_; }

    [[nodiscard]] Settings& settings() { return settings_; }

private:
    explicit Store(std::unique_ptr<db::Database> database)
        : turn_(std::move(database)), apps_(turn_), history_(turn_), settings_(turn_) {}

    Turn turn_;
    AppRows apps_;
    History history_;
    Settings settings_;
};

}  // namespace berth::store
