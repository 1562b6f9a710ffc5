#pragma once

#include <memory>
#include <string>

#include "controller/store/database.h"

namespace berth::store::sqlite {

// controller.db (WAL, FULL): makes the file and migrates it. ":memory:" for tests.
Result<std::unique_ptr<Database>> open(const std::string& file);

}  // namespace berth::store::sqlite
