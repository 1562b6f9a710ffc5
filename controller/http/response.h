#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/http/stream.h"
#include "shared/base/result.h"

namespace berth::http {

// The bytes of a body: owned, shared with others, or static. Cheap to copy.
class Body {
public:
    Body() = default;

    static Body of(std::string text);
    static Body of_static(std::string_view bytes);
    static Body shared(std::shared_ptr<const std::string> text);

    [[nodiscard]] std::string_view bytes() const { return bytes_; }

private:
    std::shared_ptr<const std::string> owner_;
    std::string_view bytes_;
};

// A body that is made while it is sent: the front asks for the next piece when the last one is
// written, so a slow reader slows the source and costs one piece of memory.
struct StreamPiece {
    std::string data;
    bool last = false;
    bool failed = false;  // the connection is cut, so that the reader notices
};

using StreamAnswer = std::function<void(StreamPiece piece)>;  // from any thread, once
using StreamSource = std::function<void(StreamAnswer answer)>;

struct Response {
    int status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    Body body;
    StreamSource stream;

    // With status 101: gets the connection and what was read behind the request, when the head is
    // out.
    std::function<void(std::unique_ptr<Stream> stream, std::string rest)> upgrade;

    // Adds a header.
    Response& with(std::string name, std::string value);
};

Response text_response(std::string text, int status = 200);
Response no_content();

// How the end of a body of unknown length is told: HTTP/1.0 knows the end of the connection only.
enum class Framing : std::uint8_t { Chunked, UntilClosed };

// Status line and fields, with the date and `fixed_fields`, which every response has.
// `keep_alive`: whether the connection stays.
std::string head_of(const Response& response,
                    std::string_view fixed_fields,
                    bool keep_alive,
                    Framing framing = Framing::Chunked);

}  // namespace berth::http
