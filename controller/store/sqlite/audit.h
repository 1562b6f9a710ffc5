#pragma once

#include "controller/store/audit.h"
#include "controller/store/sqlite/connection.h"

namespace berth::store::sqlite {

// The audit log in controller.db.
class Audit : public store::Audit {
public:
    explicit Audit(Connection& connection) : connection_(connection) {}

    Result<void> add(const AuditRow& row) override;
    Result<std::vector<AuditRow>> page(std::uint64_t before, std::size_t limit) override;

private:
    Connection& connection_;
};

}  // namespace berth::store::sqlite
