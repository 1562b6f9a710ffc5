#include "controller/face/rest/exchange.h"

#include <algorithm>

#include "shared/base/secrets.h"
#include "shared/base/text.h"

namespace berth::rest {

service::Caller caller_of(const Exchange& exchange) {
    return service::Caller::of(exchange.who, exchange.request.address);
}

Result<service::AppAddress> app_address(const Exchange& exchange) {
    return service::AppAddress::of(exchange.param("agent"), exchange.param("id"));
}

Result<std::string> agent_of(const Exchange& exchange) {
    const std::string& agent = exchange.param("agent");
    if (!is_valid_id(agent)) {
        return fail(ErrorCode::InvalidArgument, "an id is " + std::string(kIdRule));
    }
    return agent;
}

Result<std::uint64_t> number_parameter(const http::Request& request,
                                       const std::string& name,
                                       std::uint64_t fallback,
                                       std::uint64_t most) {
    const std::string& text = request.parameter(name);
    if (text.empty()) {
        return fallback;
    }
    const auto number = parse_integer<std::uint64_t>(text);
    if (!number) {
        return fail(ErrorCode::InvalidArgument, "\"" + name + "\" must be a whole number");
    }
    return std::min(*number, most);
}

Result<WallTime> parse_time(std::string_view text) {
    if (const auto time = parse_rfc3339_utc(text)) {
        return *time;
    }
    return fail(ErrorCode::InvalidArgument,
                "\"" + std::string(text) + "\" is no time such as 2026-11-22T10:00:00Z");
}

std::string Sight::text(std::string_view text) const {
    return secrets_ ? std::string(text) : without_secrets(text);
}

std::vector<std::string> Sight::texts(std::vector<std::string> texts) const {
    for (std::string& one : texts) {
        one = text(one);
    }
    return texts;
}

}  // namespace berth::rest
