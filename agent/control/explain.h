#pragma once

#include <string>
#include <vector>

#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::control {

// Why the app is in its state: cause, evidence, who, and what happens next, in one sentence or two.
std::string explain(const AppStatus& status,
                    const std::vector<wire::LogLine>& last_lines,
                    WallTime now);

}  // namespace berth::control
