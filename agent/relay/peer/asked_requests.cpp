#include "agent/relay/peer/asked_requests.h"

#include <array>

namespace berth::relay {

void AskedRequests::add(std::uint64_t correlation,
                        const PeerAddress& to,
                        const PeerAsker& asker,
                        Duration timeout) {
    Asked& asked = asked_[correlation];
    asked.asker = asker;
    asked.to = to;
    asked.timeout = loop_.after(
        timeout, [this, correlation] { end(correlation, Code::TimedOut, "no answer in time"); });
}

void AskedRequests::answered(std::string_view agent, const Envelope& answer) {
    const auto found = asked_.find(answer.correlation);
    if (found == asked_.end() || found->second.to.agent != agent ||
        found->second.to.app != answer.from || *found->second.asker.app != answer.to) {
        return;
    }
    const PeerAsker asker = found->second.asker;
    asked_.erase(found);
    const std::string header = ok_reply(asker.request);
    const std::array<std::string_view, 2> parts = {header, answer.payload};
    host_.tell(asker.session, parts);
}

void AskedRequests::end(std::uint64_t correlation, Code code, std::string_view why) {
    const auto found = asked_.find(correlation);
    if (found == asked_.end()) {
        return;
    }
    const PeerAsker asker = found->second.asker;
    asked_.erase(found);
    const std::string header = error_header(asker.request, code, why);
    const std::string_view part = header;
    host_.tell(asker.session, {&part, 1});
}

void AskedRequests::session_ended(std::uint64_t session) {
    std::erase_if(asked_,
                  [session](const auto& entry) { return entry.second.asker.session == session; });
}

void AskedRequests::begin_stop() {
    while (!asked_.empty()) {
        end(asked_.begin()->first, Code::Stopping, "the agent is stopping");
    }
}

}  // namespace berth::relay
