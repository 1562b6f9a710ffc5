#include "controller/http/response.h"

#include <Poco/DateTimeFormat.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Timestamp.h>

#include <algorithm>

namespace berth::http {

namespace {

bool has_header(const Response& response, std::string_view name) {
    return std::any_of(response.headers.begin(), response.headers.end(), [name](const auto& field) {
        return field.first == name;
    });
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

std::string head_of(const Response& response,
                    std::string_view fixed_fields,
                    bool keep_alive,
                    Framing framing) {
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
    head += fixed_fields;
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
