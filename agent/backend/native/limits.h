#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/keeperlink/messages.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"

namespace berth::native {

// Each limit of an app and who sees to it, where the kernel has these `controllers` for us.
std::vector<LimitStatus> limits_of(const LimitsSpec& limits,
                                   const std::vector<std::string>& controllers);

// Who has killed it and why, to go behind "killed by"; "" when nobody has.
std::string cause_text(keeperlink::EndCause cause, std::uint64_t used, const LimitsSpec& limits);

}  // namespace berth::native
