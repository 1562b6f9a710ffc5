#pragma once

#include <string>

#include "agent/backend/backend.h"
#include "agent/keeperlink/messages.h"
#include "shared/model/app_spec.h"
#include "shared/model/app_status.h"

namespace berth::native {

// What a raw wait status says; `known`: the keeper was there to see it.
ExitStatus exit_status(int wait_status, bool known);

// The neutral fact of an end; `spec`: what the run was started with, null when that is forgotten.
backend::Ended ended_of(const keeperlink::Exited& exited, const AppSpec* spec);

// Which step of a start failed, and why, in words.
std::string start_problem(keeperlink::StartStage stage, int number, const AppSpec* spec);

// A record of the keeper's, as the conductor is told of it.
backend::RunFact fact_of(const keeperlink::RunFact& fact, const AppSpec* spec);

}  // namespace berth::native
