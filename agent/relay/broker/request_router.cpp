#include "agent/relay/broker/request_router.h"

namespace berth::relay {

void RequestRouter::ask(const Session& asker,
                        std::uint64_t request,
                        Box& to,
                        const Message& message,
                        Duration timeout) {
    PendingRequest pending;
    pending.session = asker.number;
    pending.request_id = request;
    pending.message_id = message.id;
    pending.to = &to;
    pending.timeout = uses_.loop.after(timeout, [this, correlation = message.correlation] {
        end(correlation, Code::TimedOut, "no answer in time");
    });
    table_.add(message.correlation, std::move(pending));
}

bool RequestRouter::respond(const Session& app,
                            std::optional<std::string_view> asker,
                            std::uint64_t correlation,
                            std::string_view payload) {
    const PendingRequest* const found = table_.find(correlation);
    // To whom a request of somebody else's goes is nobody's business: as if there were none.
    const bool ours = found != nullptr && found->to == app.box;
    const Session* const session = ours ? uses_.sessions.find(found->session) : nullptr;
    if (session == nullptr || (asker && *asker != *session->box->mail.app())) {
        return false;
    }
    const auto pending = table_.take(correlation);
    finish(*pending, TraceOutcome::Answered);
    uses_.replies.send(pending->session, ok_reply(pending->request_id), {&payload, 1});
    return true;
}

void RequestRouter::end(std::uint64_t correlation, Code code, std::string_view why) {
    const auto pending = table_.take(correlation);
    if (!pending) {
        return;
    }
    finish(*pending, code == Code::TimedOut ? TraceOutcome::TimedOut : TraceOutcome::Removed);
    uses_.replies.send(pending->session, error_header(pending->request_id, code, why), {});
}

// Also of one that is in no mailbox any more, as its receiver has acknowledged it.
void RequestRouter::finish(const PendingRequest& request, TraceOutcome outcome) {
    (void)uses_.delivery.take_away(*request.to, request.message_id, outcome);
    uses_.trace.ended(request.message_id, outcome, uses_.clock.wall());
}

void RequestRouter::session_ended(const Session& session) {
    for (const std::uint64_t correlation : table_.asked_by(session.number)) {
        end(correlation, Code::Stopping, "its asker has gone");
    }
}

void RequestRouter::begin_stop() {
    while (const auto correlation = table_.any()) {
        end(*correlation, Code::Stopping, "the agent is stopping");
    }
}

}  // namespace berth::relay
