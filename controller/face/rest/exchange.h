#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/face/answers.h"
#include "controller/face/rest/route.h"
#include "controller/service/agent_requests.h"
#include "controller/service/use_case.h"
#include "shared/time/clock.h"

namespace berth::rest {

// What handlers read of a request, and how they answer.

service::Caller caller_of(const Exchange& exchange);

// "agent" and "id" of the path, checked to be ids. Error: InvalidArgument.
Result<service::AppAddress> app_address(const Exchange& exchange);

// "agent" of the path, the same.
Result<std::string> agent_of(const Exchange& exchange);

// A whole number in the query, `fallback` when it is not there, at most `most`. Error: it is none.
Result<std::uint64_t> number_parameter(const http::Request& request,
                                       const std::string& name,
                                       std::uint64_t fallback,
                                       std::uint64_t most);

// "2026-11-22T10:00:00Z", with or without a fraction.
Result<WallTime> parse_time(std::string_view text);

// Shows texts as who asks may see them: with or without what looks like a secret.
class Sight {
public:
    explicit Sight(const Exchange& exchange)
        : secrets_(access::sees_secrets(access::role_of(exchange.who))) {}

    [[nodiscard]] bool secrets() const { return secrets_; }

    [[nodiscard]] std::string text(std::string_view text) const;
    [[nodiscard]] std::vector<std::string> texts(std::vector<std::string> texts) const;

private:
    bool secrets_;
};

// The problem that an answer is which is none.
template <class T>
http::Response refusal_of(const service::Answer<T>& answer) {
    return answer.from == service::From::Agent ? face::problem_of_agent(answer.result.error())
                                               : face::problem_of(answer.result.error());
}

// Sends what `render` makes of the answer, or the problem that it is.
template <class T, class Render>
service::Done<T> reply(const Exchange& exchange, Render render) {
    return [responder = exchange.responder,
            render = std::move(render)](const service::Answer<T>& answer) {
        responder.send(answer.result ? render(*answer.result) : refusal_of(answer));
    };
}

// Sends the problem of the first of `results` that is an error. False: none is.
template <class... Results>
bool refuse_any(const Exchange& exchange, const Results&... results) {
    const Error* first = nullptr;
    const auto look = [&first](const auto& result) {
        if (first == nullptr && !result) {
            first = &result.error();
        }
    };
    (look(results), ...);
    if (first != nullptr) {
        exchange.responder.send(face::problem_of(*first));
    }
    return first != nullptr;
}

}  // namespace berth::rest
