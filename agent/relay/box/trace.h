#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "agent/relay/box/mailbox.h"
#include "shared/base/enum_names.h"
#include "shared/time/clock.h"

namespace berth::relay {

enum class TraceKind : std::uint8_t { Notify, Request, Event };
inline constexpr auto kTraceKindNames = enum_names<TraceKind>("notify", "request", "event");

enum class TraceOutcome : std::uint8_t {
    Storing,  // on its way to the disk
    Waiting,
    Given,         // to a receiver, which has not acknowledged it
    Acknowledged,  // or taken with auto_ack
    Answered,      // a request
    Expired,
    TimedOut,  // a request without an answer
    Removed,   // by the operator, or by a clear
    Refused,   // the disk did not take it; its sender knows
    Told,      // an event: to whoever listened
    Sent,      // to another agent, which has it
    Dead,      // given out as often as the app allows, and never acknowledged
};
inline constexpr auto kTraceOutcomeNames = enum_names<TraceOutcome>("storing",
                                                                    "waiting",
                                                                    "given",
                                                                    "acknowledged",
                                                                    "answered",
                                                                    "expired",
                                                                    "timed_out",
                                                                    "removed",
                                                                    "refused",
                                                                    "told",
                                                                    "sent",
                                                                    "dead");

// What has become of one message. A time that has not come is WallTime().
struct TraceEntry {
    std::uint64_t id = 0;  // 0: the place is empty
    std::uint64_t change = 0;
    Name from;
    Name to;  // of an event its type
    std::uint64_t size = 0;
    WallTime accepted;
    WallTime stored;
    WallTime given;  // the first time
    WallTime ended;
    std::uint32_t attempts = 0;
    TraceKind kind = TraceKind::Notify;
    TraceOutcome outcome = TraceOutcome::Storing;
};

// The last messages that went through the relay. Their ids follow each other, so each has its place
// at its id modulo the size, and whoever knows an id finds it in one step; ids that were
// overwritten are ignored. Bounded, no allocation after the start. Relay thread.
class Trace {
public:
    static constexpr std::size_t kEntries = 1024;

    // A new message, in place of the oldest.
    void begin(TraceEntry entry);

    void stored(std::uint64_t id, WallTime now);
    void given(std::uint64_t id, WallTime now);
    void ended(std::uint64_t id, TraceOutcome outcome, WallTime now);

    // The newest `max` that have changed after the change `after`, oldest first; with `app` those
    // from or to it alone.
    [[nodiscard]] std::vector<TraceEntry> since(std::uint64_t after,
                                                const std::string& app,
                                                std::size_t max) const;

    // Counts every change of an entry.
    [[nodiscard]] std::uint64_t changes() const { return changes_; }

private:
    TraceEntry* find(std::uint64_t id);

    std::array<TraceEntry, kEntries> entries_;
    std::uint64_t changes_ = 0;
};

}  // namespace berth::relay
