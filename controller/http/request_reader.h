#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "controller/http/request.h"

namespace berth::http {

struct RequestLimits {
    std::size_t head = 64U << 10U;
    std::size_t body = 1U << 20U;
    std::size_t target = 8U << 10U;
    std::size_t fields = 100;
};

// Takes requests out of the bytes of one connection. Strict, because what two programs read
// differently is how requests are smuggled past one of them: lines end with CR LF, names stand
// right before their colon, no folded lines, one Host, at most one Content-Length in plain digits,
// no Transfer-Encoding. Bytes behind a request belong to the next one. Of a target with an
// authority ("http://host/path") the authority stands for the Host (RFC 9112, 3.2.2).
class RequestReader {
public:
    enum class Progress : std::uint8_t { Head, Body, Complete, Rejected };

    // Why a request is not answered as asked; the connection must be closed after it.
    struct Rejection {
        int status = 400;
        std::string detail;
    };

    RequestReader() = default;

    explicit RequestReader(const RequestLimits& limits) : limits_(limits) {}

    // Adds bytes as they came. Never call it after Rejected.
    void feed(std::string_view bytes);

    [[nodiscard]] Progress progress() const { return progress_; }

    // Whether a request has begun.
    [[nodiscard]] bool began() const { return !buffer_.empty() || progress_ != Progress::Head; }

    // Whether the client waits for a "100 Continue" before it sends the body.
    [[nodiscard]] bool expects_continue() const { return expects_continue_; }

    [[nodiscard]] const Rejection& rejection() const { return rejection_; }

    // The request while its body comes: all but that is there.
    [[nodiscard]] const Request& head() const { return request_; }

    // How much memory is held for what waits for the rest of its request.
    [[nodiscard]] std::size_t buffered() const { return buffer_.capacity(); }

    // The complete request; starts on the next one with what has come of it already.
    Request take();

    // What has come and belongs to no request, after an upgrade.
    std::string take_rest() { return std::move(buffer_); }

private:
    // Its words, in the buffer.
    struct RequestLine {
        std::string_view method;
        std::string_view target;
        std::string_view version;
    };

    void advance();
    void read_head(std::size_t end);
    bool read_lines(std::string_view head, RequestLine& request_line);
    bool read_field(std::string_view line);
    bool check_length(std::string_view value);
    bool interpret_head(const RequestLine& line);
    bool take_authority(std::string& target);
    bool parse_target(std::string target);
    bool finish_head();
    bool reject(int status, std::string detail);

    RequestLimits limits_;
    Progress progress_ = Progress::Head;
    std::string buffer_;
    std::size_t searched_ = 0;  // so much of the buffer holds no end of a head
    Request request_;
    std::size_t length_ = 0;
    bool has_length_ = false;
    bool has_encoding_ = false;
    std::size_t hosts_ = 0;
    bool expects_continue_ = false;
    bool closes_ = false;  // the connection, after this request
    Rejection rejection_;
};

}  // namespace berth::http
