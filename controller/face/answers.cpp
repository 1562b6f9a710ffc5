#include "controller/face/answers.h"

#include "shared/base/secrets.h"
#include "shared/json/json_writer.h"

namespace berth::face {

const std::string_view kSecurityFields =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; object-src "
    "'none'; "
    "frame-ancestors 'none'; form-action 'self'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

using http::Body;
using http::Response;

namespace {

struct Kind {
    std::string_view type;
    std::string_view title;
};

// The stable type of a problem, by its status.
Kind kind_of(int status) {
    switch (status) {
        case 400:
            return {"bad-request", "The request is wrong"};
        case 401:
            return {"unauthenticated", "Log in first"};
        case 403:
            return {"forbidden", "This is not allowed"};
        case 404:
            return {"not-found", "There is no such thing"};
        case 409:
            return {"conflict", "Not possible in this state"};
        case 413:
        case 414:
        case 431:
            return {"too-large", "The request is too large"};
        case 429:
            return {"too-many", "Too many requests"};
        case 500:
            return {"internal", "The controller failed"};
        case 502:
            return {"agent-refused", "The agent refused"};
        case 503:
            return {"unavailable", "The controller is busy"};
        case 504:
            return {"agent-away", "The agent does not answer"};
        default:
            return {"http", "The request cannot be answered"};
    }
}

int status_of(ErrorCode code) {
    switch (code) {
        case ErrorCode::InvalidArgument:
            return 400;
        case ErrorCode::NotFound:
            return 404;
        case ErrorCode::AlreadyExists:
        case ErrorCode::WrongState:
            return 409;
        case ErrorCode::PermissionDenied:
            return 403;
        case ErrorCode::Unauthenticated:
            return 401;
        case ErrorCode::TooLarge:
            return 413;
        case ErrorCode::Exhausted:
            return 429;
        case ErrorCode::Unavailable:
            return 503;
        case ErrorCode::TimedOut:
            return 504;
        case ErrorCode::Io:
        case ErrorCode::Internal:
            break;
    }
    return 500;
}

}  // namespace

Response json_response(std::string json, int status) {
    Response response;
    response.status = status;
    response.body = Body::of(std::move(json));
    return std::move(response.with("Content-Type", "application/json"));
}

namespace {

constexpr Kind kAgentAway{"agent-away", "The agent does not answer"};

Response problem_as(const Kind& kind,
                    int status,
                    std::string_view detail,
                    std::string_view extra = {}) {
    json::JsonWriter json;
    json.begin_object().field("type", "urn:berth:problem:" + std::string(kind.type));
    json.field("title", kind.title).field("status", status).field("detail", detail).end_object();
    std::string text = json.take();
    text.insert(text.size() - 1, extra);
    Response response = json_response(std::move(text), status);
    response.headers.front().second = "application/problem+json";
    return response;
}

}  // namespace

Response problem(int status, std::string_view detail, std::string_view extra) {
    return problem_as(kind_of(status), status, detail, extra);
}

Response problem_of(const Error& error) {
    // Only agents are unavailable: that the controller itself has too much to do is said by its
    // router.
    return error.code == ErrorCode::Unavailable
               ? problem_as(kAgentAway, status_of(error.code), error.message)
               : problem(status_of(error.code), error.message);
}

Response problem_of_agent(const Error& error) {
    int status = status_of(error.code);
    if (error.code == ErrorCode::Unauthenticated || error.code == ErrorCode::PermissionDenied ||
        status == 500) {
        status = 502;  // between the controller and the agent; not this user's doing
    }
    const std::string detail = without_secrets(error.message);  // it may quote a command
    return error.code == ErrorCode::Unavailable ? problem_as(kAgentAway, status, detail)
                                                : problem(status, detail);
}

}  // namespace berth::face
