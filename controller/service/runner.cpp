#include "controller/service/runner.h"

#include "shared/log/log.h"

namespace berth::service {

Result<void> Runner::allowed(const UseCase& use_case, const Caller& caller) {
    if (access::allows(caller.role, use_case.right)) {
        return {};
    }
    return caller.role ? fail(ErrorCode::PermissionDenied, "your role does not allow this")
                       : fail(ErrorCode::Unauthenticated, "log in first");
}

store::AuditRow Runner::row_of(const UseCase& use_case, const Caller& caller, const Note& note) {
    store::AuditRow row;
    row.time = read_clocks().wall;
    row.actor = caller.name;
    row.address = caller.address;
    row.verb = note.verb.empty() ? std::string(use_case.verb) : note.verb;
    row.target = note.target;
    row.result = note.result;
    return row;
}

void Runner::write(const store::AuditRow& row) const {
    if (const auto done = audit_.add(row); !done) {
        log::error("the audit log was not written",
                   {{"error", done.error().message}, {"actor", row.actor}, {"verb", row.verb}});
    }
}

void Runner::write_later(const store::AuditRow& row, const std::function<void()>& then) const {
    const auto job = [this, row, then] {
        write(row);
        then();
    };
    if (!workers_.post(loop::WorkerPool::Lane::Short, job)) {
        log::error("the audit log was not written: too much waits",
                   {{"actor", row.actor}, {"verb", row.verb}, {"target", row.target}});
        then();
    }
}

}  // namespace berth::service
