#pragma once

#include <sys/types.h>

#include <vector>

#include "agent/keeper/records.h"

namespace berth::keeper {

// Fills the record of a run in with what its living processes tell, of which there is at least one:
// the leader, its start, terminal and notifications. A leader that has ended has ended in a way
// that nobody knows. Of limits that the keeper looks after nothing is known.
void recover(Record& record, const std::vector<pid_t>& processes);

}  // namespace berth::keeper
