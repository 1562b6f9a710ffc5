#pragma once

#include <memory>
#include <utility>

#include "controller/service/use_case.h"
#include "controller/store/audit.h"
#include "shared/base/ensure.h"
#include "shared/loop/worker_pool.h"

namespace berth::service {

// Runs use cases: asks for the right before, and writes the audit log after a change, before its
// answer is given, so that what was answered is in the log. Nobody else writes there. Any thread.
class Runner {
public:
    // Both outlive it.
    Runner(store::Audit& audit, loop::WorkerPool& workers) : audit_(audit), workers_(workers) {}

    // Whether the caller may. Error: PermissionDenied, or Unauthenticated.
    [[nodiscard]] static Result<void> allowed(const UseCase& use_case, const Caller& caller);

    // Reads by `body`, which gets `done` and calls it when it has what was asked for.
    template <class T, class Body>
    void read(const UseCase& use_case, const Caller& caller, const Done<T>& done, Body body) const {
        ENSURE(use_case.kind == Kind::Read, "what is only read changes nothing");
        if (auto may = allowed(use_case, caller); !may) {
            return done({fail(std::move(may).error()), From::Controller});
        }
        body(done);
    }

    // Changes by `body`, which gets a Finish<T>. Called from a loop: a worker writes the audit log
    // and then calls `done`.
    template <class T, class Body>
    void change(const UseCase& use_case, const Caller& caller, Done<T> done, Body body) const {
        ENSURE(use_case.kind == Kind::Change, "what changes something is written down");
        if (auto may = allowed(use_case, caller); !may) {
            return done({fail(std::move(may).error()), From::Controller});
        }
        body(Finish<T>([this, use_case, caller, done = std::move(done)](Changed<T> changed) {
            if (!changed.note) {
                return done(std::move(changed.answer));
            }
            const auto answer = std::make_shared<Answer<T>>(std::move(changed.answer));
            write_later(row_of(use_case, caller, *changed.note),
                        [done, answer] { done(std::move(*answer)); });
        }));
    }

    // The same where blocking is allowed: `body` gives a Changed<T>. Worker threads, and commands.
    template <class T, class Body>
    Result<T> change_now(const UseCase& use_case, const Caller& caller, Body body) const {
        ENSURE(use_case.kind == Kind::Change, "what changes something is written down");
        BERTH_CHECK(allowed(use_case, caller));
        Changed<T> changed = body();
        if (changed.note) {
            write(row_of(use_case, caller, *changed.note));
        }
        return std::move(changed.answer.result);
    }

private:
    static store::AuditRow row_of(const UseCase& use_case, const Caller& caller, const Note& note);
    void write(const store::AuditRow& row) const;
    void write_later(const store::AuditRow& row, const std::function<void()>& then) const;

    store::Audit& audit_;
    loop::WorkerPool& workers_;
};

}  // namespace berth::service
