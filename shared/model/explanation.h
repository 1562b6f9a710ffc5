#pragma once

#include <string>
#include <vector>

#include "shared/model/app_status.h"

namespace berth {

// Why an app is in its state.
struct Explanation {
    AppState state = AppState::Stopped;
    std::string cause;  // "exited 3 after 21 s, failed 2 times in a row"
    WallTime since;
    std::string actor;                  // who asked for it; empty: nobody did
    std::vector<std::string> evidence;  // what was seen, a sentence each
    std::vector<std::string> lines;     // of its log, where they tell something
    std::string next;                   // what happens by itself; empty: nothing

    // All of it in a few lines; `when` is `since` as the reader's clock and zone tell it.
    [[nodiscard]] std::string text(const std::string& when) const;
};

}  // namespace berth
