#pragma once

#include <string>

#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::cli {

// "500ms", "10s", "5m", "2h", "1d". Error: what is allowed.
Result<Duration> parse_duration(const std::string& text);

// A moment: a duration ago, "2026-11-24T10:00:00Z", or "2026-11-24 10:00:00" in local time.
Result<WallTime> parse_moment(const std::string& text, WallTime now);

// 0 to 1,000,000.
Result<std::size_t> parse_count(const std::string& text);

}  // namespace berth::cli
