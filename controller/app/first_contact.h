#pragma once

#include "controller/fleet/fleet.h"
#include "shared/base/result.h"
#include "shared/bus/context.h"

namespace berth::controller {

// Calls a remote agent until it answers, and says on stderr what is in the way meanwhile, whenever
// that changes; then on stdout who it is. Error: Unavailable, with what was in the way last.
Result<void> wait_for_contact(const fleet::AgentTarget& target,
                              const bus::KeyPair& keys,
                              Duration limit);

}  // namespace berth::controller
