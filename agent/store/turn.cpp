#include "agent/store/turn.h"

#include <utility>

namespace berth::store {

int Turn::change(const char* sql, std::initializer_list<db::Value> parameters) {
    if (!db_->in_transaction()) {
        if (syncs_full_ != durable_) {
            db_->exec(durable_ ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
            syncs_full_ = db_->failed() ? syncs_full_ : durable_;
        }
        db_->begin();
    }
    return db_->run(sql, parameters);
}

db::Rows Turn::query(const char* sql, std::initializer_list<db::Value> parameters) {
    return db_->query(sql, parameters);
}

bool Turn::dirty() const {
    return db_->in_transaction() || db_->failed();
}

Result<void> Turn::commit() {
    const bool durable = std::exchange(durable_, false);
    if (dirty()) {
        const bool wrote = db_->in_transaction();
        if (auto committed = db_->commit(); !committed) {
            return fail(ErrorCode::Io, "write the agent's database: " + committed.error().message);
        }
        if (wrote) {
            unflushed_ = !syncs_full_;
        }
    }
    return durable && unflushed_ ? flush() : Result<void>();
}

Result<void> Turn::flush() {
    if (!unflushed_ || db_->in_transaction()) {
        return {};
    }
    durable_ = true;
    // One commit that waits for the disk takes with it all before it.
    (void)change("INSERT OR REPLACE INTO meta (key, value) VALUES ('flushed', '')", {});
    return commit();
}

void Turn::discard() {
    (void)db_->take_failure();
    db_->rollback();
}

}  // namespace berth::store
