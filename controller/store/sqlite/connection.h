#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "shared/base/result.h"
#include "shared/db/database.h"

namespace berth::store::sqlite {

// The connection that all parts share: calls are serialised by a lock. Any thread.
class Connection {
public:
    explicit Connection(std::unique_ptr<db::Database> database) : database_(std::move(database)) {}

    // What `body` gives, which gets the database under the lock. What failed in the database
    // meanwhile is an Io error about `what` ("read the users").
    template <class T, class Body>
    Result<T> run(const char* what, Body body) {
        const std::lock_guard lock(mutex_);
        Result<T> result = body(*database_);
        if (const auto failure = database_->take_failure()) {
            return fail(ErrorCode::Io, std::string(what) + ": " + *failure);
        }
        return result;
    }

private:
    std::mutex mutex_;
    std::unique_ptr<db::Database> database_;
};

// The key of the hash of the setup token in the table `meta`, which two parts use.
inline constexpr const char* kSetupKey = "setup_token_hash";

}  // namespace berth::store::sqlite
