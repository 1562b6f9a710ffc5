#include "controller/store/sqlite/audit.h"

namespace berth::store::sqlite {

namespace {

constexpr std::uint64_t kKeptAudit = 1'000'000;  // entries, as the trigger has it
constexpr std::uint64_t kPruneEvery = 1000;      // entries

}  // namespace

Result<void> Audit::add(const AuditRow& row) {
    return connection_.run<
        void>("write the audit log", [&](db::Database& database) -> Result<void> {
        (void)database.run(
            "INSERT INTO audit (time, actor, address, verb, target, result) VALUES (?, ?, ?, ?, ?, "
            "?)",
            {row.time, row.actor, row.address, row.verb, row.target, row.result});
        if (database.failed()) {
            return {};  // which guarded() turns into an error
        }
        db::Rows last = database.query("SELECT max(id) FROM audit");
        const std::uint64_t id = last.next() ? last.count(0) : 0;
        if (id > kKeptAudit && id % kPruneEvery == 0) {
            (void)database.run("DELETE FROM audit WHERE id <= ?", {id - kKeptAudit});
            (void)database.take_failure();  // the entry is there; the next thousandth tries again
        }
        return {};
    });
}

Result<std::vector<AuditRow>> Audit::page(std::uint64_t before, std::size_t limit) {
    return connection_.run<std::vector<AuditRow>>(
        "read the audit log", [&](db::Database& database) {
            std::vector<AuditRow> rows;
            db::Rows row = database.query(
                "SELECT id, time, actor, address, verb, target, result FROM audit "
                "WHERE ?1 = 0 OR id < ?1 ORDER BY id DESC LIMIT ?2",
                {before, limit});
            while (row.next()) {
                rows.push_back({row.count(0),
                                row.time(1),
                                row.text(2),
                                row.text(3),
                                row.text(4),
                                row.text(5),
                                row.text(6)});
            }
            return rows;
        });
}

}  // namespace berth::store::sqlite
