#pragma once

#include <algorithm>
#include <optional>

#include "shared/db/database.h"
#include "shared/model/app_status.h"

namespace berth::store {

// An exit status is three columns: kind, value, whether a core was dumped. Null: there is none.
struct ExitColumns {
    explicit ExitColumns(const std::optional<ExitStatus>& exit) {
        if (exit) {
            kind = static_cast<int>(exit->kind);
            value = exit->value;
            core = exit->core_dumped ? 1 : 0;
        }
    }

    std::optional<int> kind;
    std::optional<int> value;
    std::optional<int> core;
};

// From the column of its kind on.
inline std::optional<ExitStatus> exit_of(const db::Rows& row, int column) {
    if (row.is_null(column)) {
        return std::nullopt;
    }
    const auto kind = std::clamp<std::int64_t>(row.integer(column), 0, 2);
    return ExitStatus{static_cast<ExitKind>(kind),
                      static_cast<int>(row.integer(column + 1)),
                      row.integer(column + 2) != 0};
}

}  // namespace berth::store
