#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/base/result.h"
#include "shared/time/clock.h"

namespace berth::store {

struct AuditRow {
    std::uint64_t id = 0;
    WallTime time;
    std::string actor;
    std::string address;
    std::string verb;
    std::string target;
    std::string result;
};

// Who changed what. Of it the last million entries are kept; those cannot be changed or removed.
// Durable when a call has returned. Any thread, but no loop: a call may take long.
class Audit {
public:
    Audit() = default;
    virtual ~Audit() = default;
    Audit(const Audit&) = delete;
    Audit& operator=(const Audit&) = delete;

    virtual Result<void> add(const AuditRow& row) = 0;

    // The newest first, at most `limit`, older than row `before` (0: from the newest).
    virtual Result<std::vector<AuditRow>> page(std::uint64_t before, std::size_t limit) = 0;
};

}  // namespace berth::store
