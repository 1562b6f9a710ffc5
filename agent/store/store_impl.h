#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/store/schema.h"
#include "agent/store/store.h"
#include "shared/os/file.h"

// What the parts of the Store share; for its own sources only.
namespace berth::store {

inline void bind_time(SQLite::Statement& statement,
                      int index,
                      const std::optional<WallTime>& time) {
    if (time) {
        statement.bind(index, std::int64_t{time->time_since_epoch().count()});
    } else {
        statement.bind(index);
    }
}

inline void bind_exit(SQLite::Statement& statement,
                      int index,
                      const std::optional<ExitStatus>& exit) {
    if (exit) {
        statement.bind(index, static_cast<int>(exit->kind));
        statement.bind(index + 1, exit->value);
        statement.bind(index + 2, exit->core_dumped ? 1 : 0);
    } else {
        statement.bind(index);
        statement.bind(index + 1);
        statement.bind(index + 2);
    }
}

inline WallTime time_of(const SQLite::Column& column) {
    return WallTime(Duration(column.getInt64()));
}

inline std::optional<WallTime> optional_time(const SQLite::Column& column) {
    return column.isNull() ? std::nullopt : std::optional(time_of(column));
}

inline std::optional<ExitStatus> read_exit(SQLite::Statement& query, int index) {
    if (query.getColumn(index).isNull()) {
        return std::nullopt;
    }
    return ExitStatus{static_cast<ExitKind>(std::clamp(query.getColumn(index).getInt(), 0, 2)),
                      query.getColumn(index + 1).getInt(),
                      query.getColumn(index + 2).getInt() != 0};
}

struct Store::Impl {
    explicit Impl(const std::string& file)
        : name(file), db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE) {}

    Result<void> begin() {
        db.exec("PRAGMA foreign_keys=ON");
        db.exec("PRAGMA trusted_schema=OFF");
        return bring_up_to_date(db, name);
    }

    std::string name;
    std::optional<os::FileStamp> opened = std::nullopt;  // the file as it was then

    // A prepared statement, made once.
    SQLite::Statement& statement(const char* sql) {
        auto& slot = statements[sql];
        if (!slot) {
            slot = std::make_unique<SQLite::Statement>(db, sql);
        }
        slot->reset();
        slot->clearBindings();
        return *slot;
    }

    SQLite::Statement& change(const char* sql) {
        if (!in_transaction) {
            if (waits_for_disk != said) {
                db.exec(said ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
                waits_for_disk = said;
            }
            db.exec("BEGIN IMMEDIATE");
            in_transaction = true;
        }
        return statement(sql);
    }

    SQLite::Database db;
    std::map<const char*, std::unique_ptr<SQLite::Statement>> statements;
    bool in_transaction = false;
    bool said = false;           // this turn holds what somebody asked for
    bool waits_for_disk = true;  // what is set now, as SQLite begins
    bool unflushed = false;      // commits may be in the kernel's memory only
    std::uint64_t events_since_trim = 0;
    std::string failure;         // of a change within the open transaction
};

// A write that fails (full disk, I/O error) is remembered and reported by commit(); supervision
// goes on with what is in memory.
#define BERTH_STORE_WRITE(body)                \
    try {                                      \
        body;                                  \
    } catch (const SQLite::Exception& error) { \
        impl_->failure = error.what();         \
    }

}  // namespace berth::store
