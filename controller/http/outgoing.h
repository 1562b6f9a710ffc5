#pragma once

#include <string>
#include <string_view>

#include "controller/http/response.h"

namespace berth::http {

// What is being sent of one response: its head, its body, or the piece of a stream that was made
// last. One at a time, for one connection. Http loop thread.
class Outgoing {
public:
    // How the response is to be sent, which its request says.
    struct Manner {
        bool keep_alive = true;
        bool without_body = false;  // the answer to a HEAD
        bool http_1_0 = false;      // the end of a stream is the end of the connection
    };

    void begin(Response response, const Manner& manner, std::string_view fixed_fields);

    // The bytes that go next; "" when there are none (any more, or until a piece is added).
    [[nodiscard]] std::string_view rest() const { return head_.empty() ? body_ : head_; }

    void sent(std::size_t bytes);

    // Adds the piece that the stream has made; the last one ends it.
    void add(const StreamPiece& piece);

    // Where the next piece comes from; null: there is none.
    [[nodiscard]] const StreamSource& stream() const { return response_.stream; }

    // Who takes the connection over when all is sent; null: nobody.
    [[nodiscard]] auto take_upgrade() { return std::exchange(response_.upgrade, nullptr); }

    [[nodiscard]] bool is_upgrade() const { return static_cast<bool>(response_.upgrade); }

    void clear();

private:
    Response response_;
    bool chunked_ = true;
    std::string text_;       // that the following point into, when it is not the response's body
    std::string_view head_;  // what is left of it
    std::string_view body_;
};

}  // namespace berth::http
