#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/relay/box/box_table.h"
#include "agent/relay/box/relay_clock.h"
#include "agent/relay/box/trace.h"
#include "agent/relay/broker/intake.h"
#include "agent/relay/broker/limits.h"
#include "agent/relay/broker/replies.h"
#include "agent/relay/broker/session_table.h"
#include "agent/relay/disk/turn_commit.h"
#include "shared/loop/event_loop.h"

namespace berth::relay {

// Gives messages out, to polls and to those whom they are pushed to, gives them out again when they
// are not acknowledged in time, and takes away what is done with. A receiver that reads slowly, or
// acknowledges nothing, gets no more than its window. Relay thread.
class Delivery {
public:
    struct Uses {
        loop::EventLoop& loop;
        const RelayClock& clock;
        const RelayLimits& limits;
        BoxTable& boxes;
        const SessionTable& sessions;
        Trace& trace;
        TurnBatch& turn;
        const Intake& intake;
        Replies& replies;
    };

    explicit Delivery(const Uses& uses) : uses_(uses) {}

    // At the end of a turn: all boxes that were touched give out what they can. False: none was.
    bool give_out_touched();

    // Answers a poll with what is there. False: nothing is.
    bool serve(Box& box, const Waiter& waiter);

    // It is served when something comes, or answered with nothing after `wait_ms`.
    void wait(Box& box, std::shared_ptr<Waiter> waiter, std::uint64_t wait_ms);

    // Done with for good; `why` says how. Whether the disk must forget it too.
    bool take_away(Box& box, std::uint64_t id, TraceOutcome why);

    // `holder` does not have this message any more: its window has room for one more.
    void let_go(std::uint64_t holder, std::uint64_t id);

    // A session has ended: what it held waits again.
    void release(Box& box, const Session& session);

    // These wait again without having been acknowledged: after so many times they are dead letters.
    // A request is none; its asker's time ends it.
    void note_failed(Box& box, const std::vector<std::uint64_t>& ids);

    // How many messages were taken away since the last call.
    std::uint64_t take_removed() { return std::exchange(removed_, 0); }

private:
    void give_out(Box& box);
    void push_to(Box& box, Session& receiver);
    Message* next(Box& box);
    void give(Box& box, Message& message, Session& receiver);
    void redeliver(Box& box);
    void redeliver_at(Box& box, MonoTime due);

    Uses uses_;
    std::string scratch_;  // the header of a pushed message
    std::uint64_t removed_ = 0;
};

// The answer to a poll: so many messages, whose metas the caller appends.
std::string polled_header(std::uint64_t request, std::size_t messages);

}  // namespace berth::relay
