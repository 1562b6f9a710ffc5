#pragma once

#include <string>
#include <vector>

#include "agent/apps/figures/store.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"
#include "shared/wire/control.h"

namespace berth::apps {

// What is kept of an end that nobody wanted, as JSON: how, exit, times, limits, memory and CPU as
// sampled before it, and the last lines of both streams.
std::string crash_bundle(const AppStatus& status,
                         const AppSpec& spec,
                         const std::vector<wire::LogLine>& lines,
                         const std::vector<figures::Point>& figures);

// The same for crashes that are alike: how it ended, and its last line on stderr (else on stdout)
// without the numbers, addresses and times that differ from one to the next.
std::string crash_signature(const AppStatus& status, const std::vector<wire::LogLine>& lines);

}  // namespace berth::apps
