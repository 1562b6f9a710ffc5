#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::apps {

// What one run has written last, not the runs before and after it. `run`: its times.
std::vector<wire::LogLine> last_lines_of(const std::string& log_folder,
                                         const AppStatus& run,
                                         std::size_t count);

}  // namespace berth::apps
