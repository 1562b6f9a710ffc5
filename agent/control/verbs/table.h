#pragma once

#include "agent/control/verbs/verbs.h"
#include "shared/command/verbs.h"

namespace berth::control::verbs {

// Reads the members of a request and hands it to what answers that verb; a member that makes no
// sense is the answer itself.
void answer(command::Verb verb, Context& context, const Client& client, wire::Request request);

}  // namespace berth::control::verbs
