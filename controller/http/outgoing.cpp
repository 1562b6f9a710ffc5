#include "controller/http/outgoing.h"

#include <array>
#include <cstdio>

namespace berth::http {

namespace {

constexpr std::size_t kJoined = 8U << 10U;  // a body that goes out with its head

}  // namespace

void Outgoing::begin(Response response, const Manner& manner, std::string_view fixed_fields) {
    response_ = std::move(response);
    chunked_ = !manner.http_1_0;
    text_ = head_of(response_,
                    fixed_fields,
                    manner.keep_alive,
                    chunked_ ? Framing::Chunked : Framing::UntilClosed);
    const bool streamed = static_cast<bool>(response_.stream);
    body_ = manner.without_body || streamed ? std::string_view() : response_.body.bytes();
    if (body_.size() <= kJoined) {
        text_ += body_;
        body_ = {};
    }
    head_ = text_;
    if (manner.without_body) {
        response_.stream = nullptr;
    }
}

void Outgoing::sent(std::size_t bytes) {
    (head_.empty() ? body_ : head_).remove_prefix(bytes);
}

void Outgoing::add(const StreamPiece& piece) {
    text_.clear();
    if (!chunked_) {
        text_ = piece.data;
    } else if (!piece.data.empty()) {
        std::array<char, 24> size{};
        const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.data.size());
        text_.assign(size.data(), static_cast<std::size_t>(length));
        text_ += piece.data;
        text_ += "\r\n";
    }
    if (piece.last) {
        text_ += chunked_ ? "0\r\n\r\n" : "";
        response_.stream = nullptr;
    }
    body_ = text_;
}

void Outgoing::clear() {
    response_ = {};
    text_ = {};
    head_ = {};
    body_ = {};
}

}  // namespace berth::http
