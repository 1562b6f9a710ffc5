#pragma once

#include <string>

#include "shared/base/result.h"

namespace SQLite {
class Database;
}

namespace berth::store {

// Makes the agent's tables in a new database, or brings older ones up to date, in one transaction.
// One of a newer Berth is used when it says that this version may (meta "oldest_reader"): versions
// that only add columns with defaults and tables do so, and statements name their columns. Error:
// it does not. Throws SQLite::Exception.
Result<void> bring_up_to_date(SQLite::Database& db, const std::string& file);

}  // namespace berth::store
