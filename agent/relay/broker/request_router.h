#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/relay/broker/delivery.h"
#include "agent/relay/broker/request_table.h"

namespace berth::relay {

// Requests between apps of this agent, from the question in a mailbox to the answer, or to the
// error that ends it: no answer in time, an asker that has gone, an operator who removes it, a
// stop. Relay thread.
class RequestRouter {
public:
    struct Uses {
        loop::EventLoop& loop;
        const RelayClock& clock;
        const SessionTable& sessions;
        Trace& trace;
        Delivery& delivery;
        Replies& replies;
    };

    explicit RequestRouter(const Uses& uses) : uses_(uses) {}

    // An answer to a request of before must not hit a new one: correlations begin here.
    void begin_at(std::uint64_t correlation) { table_.begin_at(correlation); }

    // A correlation; each is drawn once.
    std::uint64_t draw() { return table_.draw(); }

    [[nodiscard]] std::size_t size() const { return table_.size(); }

    // `message`, a request with a correlation, goes into the mailbox `to`; its asker hears the
    // answer, or after `timeout` that there is none.
    void ask(const Session& asker,
             std::uint64_t request,
             Box& to,
             const Message& message,
             Duration timeout);

    // `app` answers. False: no request to it waits for that. `asker`: whom it means.
    bool respond(const Session& app,
                 std::optional<std::string_view> asker,
                 std::uint64_t correlation,
                 std::string_view payload);

    // Ends a request, if it waits: its asker is told.
    void end(std::uint64_t correlation, Code code, std::string_view why);

    void session_ended(const Session& session);
    void begin_stop();

private:
    void finish(const PendingRequest& request, TraceOutcome outcome);

    Uses uses_;
    RequestTable table_;
};

}  // namespace berth::relay
