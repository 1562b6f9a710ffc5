#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/relay/box/box_table.h"
#include "agent/relay/box/rate_meter.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/broker/intake.h"
#include "agent/relay/broker/request_router.h"
#include "shared/model/app_status.h"

namespace berth::relay {

// One mailbox, for those who look at it.
struct MailboxStats {
    std::string app;
    std::size_t waiting = 0;  // not acknowledged
    std::size_t held = 0;     // of those, given to a receiver
    std::size_t bytes = 0;
    std::optional<std::uint64_t> oldest_ms;  // Unix time of the oldest
    std::uint64_t received = 0;              // since the agent's start
    std::uint64_t taken = 0;                 // acknowledged or answered, since then
    std::uint64_t redelivered = 0;
    std::size_t dead = 0;      // dead letters
    std::size_t sessions = 0;  // connections of the app
    RateMeter in;
    RateMeter out;
};

// As the app's status has it.
MailboxStatus status_of(const MailboxStats& mailbox, MonoTime now);

// What became of the latest messages, and up to which change that is.
struct TraceSlice {
    std::vector<TraceEntry> entries;
    std::uint64_t change = 0;
};

// What the operator sees of the mailboxes, and what he is asked before he takes something away.
// Looking gives nothing out. Relay thread; what it gives may go to any.
class OperatorView {
public:
    struct Uses {
        const BoxTable& boxes;
        const Trace& trace;
        const Intake& intake;
        RequestRouter& requests;
    };

    explicit OperatorView(const Uses& uses) : uses_(uses) {}

    [[nodiscard]] std::vector<MailboxStats> stats() const;

    // How often stats() may have changed.
    [[nodiscard]] std::uint64_t changes() const { return uses_.boxes.changes(); }

    // The oldest `max` of a mailbox with an id above `after`.
    [[nodiscard]] std::vector<Message> peek(const std::string& app,
                                            std::size_t max,
                                            std::uint64_t after) const;

    // The same of its dead letters, which do not expire any more.
    [[nodiscard]] std::vector<Message> dead_letters(const std::string& app,
                                                    std::size_t max,
                                                    std::uint64_t after) const;

    // See Trace::since().
    [[nodiscard]] TraceSlice trace(const std::string& app,
                                   std::size_t max,
                                   std::uint64_t after) const;

    // Before one message is taken away: gives the verb that does it when it is spoken in the app's
    // name. A request is ended, its asker is told. Error: NotFound; WrongState: it is not on the
    // disk yet.
    Result<Verb> release_for_removal(const std::string& app, std::uint64_t id);

private:
    Uses uses_;
};

}  // namespace berth::relay
