#include "controller/service/agent_requests.h"

namespace berth::service {

Result<AppAddress> AppAddress::of(std::string agent, std::string id) {
    if (!is_valid_id(agent) || !is_valid_id(id)) {
        return fail(ErrorCode::InvalidArgument, "an id is " + std::string(kIdRule));
    }
    return AppAddress{std::move(agent), std::move(id)};
}

void AgentRequests::ask(const std::string& agent,
                        const std::string& verb,
                        wire::Value args,
                        Duration deadline,
                        fleet::AgentLink::Answer answer) const {
    auto& fleet = fleet_;
    (void)poster_->post(
        [&fleet, agent, verb, deadline, args = std::move(args), answer = std::move(answer)] {
            fleet.request(agent, verb, args, deadline, answer);
        });
}

Error change_error(const Error& error) {
    constexpr const char* kUnsure = "; whether it does what was asked is not known";
    return error.code == ErrorCode::TimedOut ? Error{error.code, error.message + kUnsure, 0}
                                             : error;
}

std::string change_failed(const Error& error) {
    return (error.code == ErrorCode::TimedOut ? "unknown: " : "failed: ") + error.message;
}

}  // namespace berth::service
