#pragma once

#include <cstdint>
#include <string>

#include "agent/backend/sample.h"
#include "shared/time/clock.h"

namespace berth::native {

using backend::Detail;
using backend::Sample;

// Samples the tree of `leader`: the members of `cgroup` (its folder), or without one the leader
// with all below it. CPU is that since `before` when it was of the same leader, else the mean since
// the leader began.
Sample take_sample(std::int32_t leader,
                   const std::string& cgroup,
                   const Sample& before,
                   MonoTime now,
                   Detail detail = Detail::Usual);

}  // namespace berth::native
