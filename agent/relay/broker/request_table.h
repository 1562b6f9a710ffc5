#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/relay/box/box.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

// A request that waits for its answer.
struct PendingRequest {
    std::uint64_t session = 0;     // that has asked
    std::uint64_t request_id = 0;  // as it has numbered it
    std::uint64_t message_id = 0;  // as which it is in the mailbox of `to`
    Box* to = nullptr;
    loop::Registration timeout;
};

// The requests between apps of this agent that wait for an answer, by correlation. A Box is kept
// (see Box::references) while one waits for it. Pure but for the timers that it holds.
class RequestTable {
public:
    // An answer to a request of before must not hit a new one: correlations begin here.
    void begin_at(std::uint64_t correlation) { next_ = correlation; }

    // A correlation; each is drawn once, also by those who keep their requests elsewhere.
    std::uint64_t draw() { return next_++; }

    // `correlation` was drawn for it.
    void add(std::uint64_t correlation, PendingRequest request);

    // Null: nothing waits for this answer.
    [[nodiscard]] const PendingRequest* find(std::uint64_t correlation) const;

    // Takes it out. Nothing: none waits for this answer.
    std::optional<PendingRequest> take(std::uint64_t correlation);

    [[nodiscard]] std::vector<std::uint64_t> asked_by(std::uint64_t session) const;

    // One of them; nothing when none waits.
    [[nodiscard]] std::optional<std::uint64_t> any() const;

    [[nodiscard]] std::size_t size() const { return requests_.size(); }

private:
    std::unordered_map<std::uint64_t, PendingRequest> requests_;
    std::uint64_t next_ = 1;
};

}  // namespace berth::relay
