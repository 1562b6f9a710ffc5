#pragma once

#include "shared/db/database.h"

namespace berth::store {

// The tables of agent.db. Statements name their columns, so that a newer Berth may add some.
db::Schema agent_schema();

}  // namespace berth::store
