#pragma once

#include "controller/store/sessions.h"
#include "controller/store/sqlite/connection.h"

namespace berth::store::sqlite {

// The sessions in controller.db.
class Sessions : public store::Sessions {
public:
    explicit Sessions(Connection& connection) : connection_(connection) {}

    Result<std::vector<SessionRow>> all() override;
    Result<access::Role> open(const SessionRow& session, const std::string& hash) override;
    Result<void> touch(const std::string& token_hash, WallTime used) override;
    Result<void> remove(const std::string& token_hash) override;
    Result<void> remove_all() override;

private:
    Connection& connection_;
};

}  // namespace berth::store::sqlite
