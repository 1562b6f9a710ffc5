#include "controller/http/response.h"

#include <Poco/DateTimeFormat.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Timestamp.h>

#include <algorithm>

#include "shared/base/secrets.h"
#include "shared/json/json_writer.h"

namespace berth::http {

namespace {

constexpr std::string_view kSecurityHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; object-src "
    "'none'; "
    "frame-ancestors 'none'; form-action 'self'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

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

bool has_header(const Response& response, std::string_view name) {
    return std::any_of(response.headers.begin(), response.headers.end(), [name](const auto& field) {
        return field.first == name;
    });
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

Body Body::of(std::string text) {
    return shared(std::make_shared<const std::string>(std::move(text)));
}

Body Body::of_static(std::string_view bytes) {
    Body body;
    body.bytes_ = bytes;
    return body;
}

Body Body::shared(std::shared_ptr<const std::string> text) {
    Body body;
    body.owner_ = std::move(text);
    body.bytes_ = *body.owner_;
    return body;
}

Response& Response::with(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
}

Response json_response(std::string json, int status) {
    Response response;
    response.status = status;
    response.body = Body::of(std::move(json));
    return std::move(response.with("Content-Type", "application/json"));
}

Response text_response(std::string text, int status) {
    Response response;
    response.status = status;
    response.body = Body::of(std::move(text));
    return std::move(response.with("Content-Type", "text/plain; charset=utf-8"));
}

Response no_content() {
    Response response;
    response.status = 204;
    return response;
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

std::string head_of(const Response& response, bool keep_alive, Framing framing) {
    const auto status = static_cast<Poco::Net::HTTPResponse::HTTPStatus>(response.status);
    std::string head = "HTTP/1.1 " + std::to_string(response.status) + ' ' +
                       Poco::Net::HTTPResponse::getReasonForStatus(status) + "\r\n";
    for (const auto& [name, value] : response.headers) {
        head += name;
        head += ": ";
        head += value;
        head += "\r\n";
    }
    head += "Date: ";
    head += Poco::DateTimeFormatter::format(Poco::Timestamp(), Poco::DateTimeFormat::HTTP_FORMAT);
    head += "\r\n";
    head += kSecurityHeaders;
    if (!has_header(response, "Cache-Control")) {
        head += "Cache-Control: no-store\r\n";
    }
    if (response.upgrade) {
        return head + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    }
    if (response.stream) {
        head += framing == Framing::Chunked ? "Transfer-Encoding: chunked\r\n" : "";
    } else if (response.status != 204 && response.status != 304) {
        head += "Content-Length: " + std::to_string(response.body.bytes().size()) + "\r\n";
    }
    head += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
    return head;
}

}  // namespace berth::http
