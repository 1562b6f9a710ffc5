#pragma once

#include <initializer_list>
#include <memory>

#include "shared/base/result.h"
#include "shared/db/database.h"

namespace berth::store {

// What one turn of the loop writes to agent.db: one transaction, which the first write begins and
// commit() ends. A write that fails (full disk, I/O error) is reported by commit(); supervision
// goes on with what is in memory.
//
// What people said (start, stop, load …) is on the disk before it is acknowledged. What was merely
// seen of runs is in the kernel's memory when it is committed: kill -9 loses nothing of it. A power
// cut may lose what came after the last flush(), and with it every run there was.
class Turn {
public:
    explicit Turn(std::unique_ptr<db::Database> database) : db_(std::move(database)) {}

    // Gives how many rows were changed.
    int change(const char* sql, std::initializer_list<db::Value> parameters);
    [[nodiscard]] db::Rows query(const char* sql, std::initializer_list<db::Value> parameters = {});

    // This turn holds what somebody said: its commit waits for the disk.
    void require_durable() { durable_ = true; }

    // Ends the open transaction. Error: nothing of it is stored (the disk is full, mostly).
    Result<void> commit();

    // Drops what was written since the last commit, and what of it has failed.
    void discard();

    // Waits until all that was committed is on the disk. Nothing to do within a transaction.
    Result<void> flush();

    [[nodiscard]] bool unflushed() const { return unflushed_; }

    // There is something to commit, or to report.
    [[nodiscard]] bool dirty() const;

    [[nodiscard]] db::Database& database() { return *db_; }

private:
    std::unique_ptr<db::Database> db_;
    bool durable_ = false;
    bool syncs_full_ = true;  // how SQLite is set now, as it begins
    bool unflushed_ = false;  // commits may be in the kernel's memory only
};

}  // namespace berth::store
