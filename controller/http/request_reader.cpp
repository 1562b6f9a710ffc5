#include "controller/http/request_reader.h"

#include <algorithm>
#include <utility>

#include "shared/base/text.h"

namespace berth::http {

namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kMaxValue = 8192;  // of a field
constexpr std::size_t kMaxName = 256;

bool is_token_character(char c) {
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

// Visible characters, blanks and tabs, and bytes above ASCII: what a field's value may hold.
bool is_field_text(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto value = static_cast<unsigned char>(c);
        return (value >= 0x20 && value != 0x7F) || c == '\t';
    });
}

// Whether a Connection field has the option "close".
bool names_close(std::string_view field) {
    const auto options = split(field, ',');
    return std::any_of(options.begin(), options.end(), [](std::string_view option) {
        return to_lower(trim(option)) == "close";
    });
}

}  // namespace

bool RequestReader::reject(int status, std::string detail) {
    progress_ = Progress::Rejected;
    rejection_ = {status, std::move(detail)};
    return false;
}

void RequestReader::feed(std::string_view bytes) {
    buffer_ += bytes;
    advance();
}

void RequestReader::advance() {
    if (progress_ == Progress::Head) {
        // One empty line before a request is forgiven (RFC 9112, 2.2).
        if (buffer_.compare(0, 2, "\r\n") == 0) {
            buffer_.erase(0, 2);
            searched_ = 0;
        }
        const std::size_t from = searched_ < kHeadEnd.size() ? 0 : searched_ - kHeadEnd.size();
        const std::size_t end = buffer_.find(kHeadEnd, from);
        searched_ = buffer_.size();
        if (end != std::string::npos && end + kHeadEnd.size() <= limits_.head) {
            read_head(end);
        } else if (end != std::string::npos || buffer_.size() > limits_.head) {
            (void)reject(431, "the head of a request has at most 64 KiB");
        } else if (!buffer_.empty() && buffer_ != "\r" && !is_token_character(buffer_.front())) {
            (void)reject(400, "a request begins with its method");
        }
    }
    if (progress_ == Progress::Body && buffer_.size() >= length_) {
        // What is left is little; the room of a large body is not kept for it.
        std::string rest = buffer_.substr(length_);
        buffer_.resize(length_);
        request_.body = std::exchange(buffer_, std::move(rest));
        progress_ = Progress::Complete;
    }
}

Request RequestReader::take() {
    Request request = std::move(request_);
    request_ = {};
    progress_ = Progress::Head;
    searched_ = 0;
    length_ = 0;
    has_length_ = false;
    has_encoding_ = false;
    expects_continue_ = false;
    closes_ = false;
    hosts_ = 0;
    advance();
    return request;
}

void RequestReader::read_head(std::size_t end) {
    RequestLine line;
    if (!read_lines(std::string_view(buffer_).substr(0, end), line) || !interpret_head(line) ||
        !finish_head()) {
        return;
    }
    buffer_.erase(0, end + kHeadEnd.size());
    progress_ = Progress::Body;
}

// Each line by the letter of the law; what they mean together is looked at afterwards. The only
// pass over a head.
bool RequestReader::read_lines(std::string_view head, RequestLine& request_line) {
    std::size_t fields = 0;
    bool first = true;
    while (!head.empty() || first) {
        const std::size_t end = head.find("\r\n");
        const std::string_view line = head.substr(0, end);
        head = end == std::string_view::npos ? std::string_view() : head.substr(end + 2);
        if (!is_field_text(line)) {
            return reject(400, "a bare CR or LF or another control character in the head");
        }
        if (first) {
            first = false;
            if (line.size() > limits_.target) {
                return reject(414, "the address of a request has at most 8 KiB");
            }
            const auto words = split(line, ' ');
            if (words.size() != 3 || !is_token(words[0]) || words[1].empty()) {
                return reject(400, "a request line is METHOD TARGET VERSION");
            }
            if (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0") {
                return reject(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
            }
            request_line = {words[0], words[1], words[2]};
            continue;
        }
        if (++fields > limits_.fields) {
            return reject(431, "a request has at most 100 header fields");
        }
        if (!read_field(line)) {
            return false;
        }
    }
    return true;
}

bool RequestReader::read_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    if (colon == std::string_view::npos || !is_token(name)) {
        return reject(400, "a header field is NAME: VALUE, on one line");
    }
    const std::string_view value = trim(line.substr(colon + 1));
    if (name.size() > kMaxName || value.size() > kMaxValue) {
        return reject(431, "a header field has at most 8 KiB");
    }
    const std::string& known =
        request_.headers.emplace_back(to_lower(name), std::string(value)).first;
    if (known == "host") {
        ++hosts_;
    } else if (known == "transfer-encoding") {
        has_encoding_ = true;
    } else if (known == "content-length") {
        return check_length(value);
    } else if (known == "connection") {
        closes_ = closes_ || names_close(value);
    } else if (known == "expect") {
        if (to_lower(value) != "100-continue") {
            return reject(417, "nothing but 100-continue can be expected");
        }
        expects_continue_ = true;
    }
    return true;
}

bool RequestReader::check_length(std::string_view value) {
    const bool digits = !value.empty() && value.size() <= 18 &&
                        value.find_first_not_of("0123456789") == std::string_view::npos;
    if (has_length_ || !digits) {
        return reject(400, "a request has one Content-Length, in digits");
    }
    has_length_ = true;
    length_ = parse_integer<decltype(length_)>(value).value_or(0);  // digits that fit
    return true;
}

// What the first line and the fields mean, now that all of them are well-formed.
bool RequestReader::interpret_head(const RequestLine& line) {
    const auto method = kMethodNames.value(line.method);
    if (!method) {
        return reject(501, "no such method is known here");
    }
    request_.method = *method;
    request_.http_1_0 = line.version == "HTTP/1.0";
    request_.keep_alive = !request_.http_1_0 && !closes_;
    expects_continue_ = expects_continue_ && !request_.http_1_0;
    return parse_target(std::string(line.target));
}

// Cuts "http://host" off and has it stand for the Host.
bool RequestReader::take_authority(std::string& target) {
    const std::size_t scheme = target.find("://");
    const std::string name = to_lower(target.substr(0, std::min(scheme, target.size())));
    if (name != "http" && name != "https") {
        return reject(400, "the target of a request is a path, or http:// with a host and a path");
    }
    const std::size_t from = scheme + 3;
    const std::size_t end = std::min(target.find_first_of("/?", from), target.size());
    std::erase_if(request_.headers, [](const auto& field) { return field.first == "host"; });
    request_.headers.emplace_back("host", target.substr(from, end - from));
    target.erase(0, end);
    if (target.empty() || target.front() != '/') {
        target = '/' + target;
    }
    return true;
}

bool RequestReader::parse_target(std::string target) {
    if (target == "*" && request_.method == Method::Options) {
        request_.path = target;
        return true;
    }
    if (target.front() != '/' && !take_authority(target)) {
        return false;
    }
    const std::size_t mark = target.find('?');
    request_.path = target.substr(0, mark);
    if (mark == std::string::npos) {
        return true;
    }
    for (const std::string_view part : split(std::string_view(target).substr(mark + 1), '&')) {
        if (part.empty()) {
            continue;
        }
        const std::size_t equals = std::min(part.find('='), part.size());
        const auto name = percent_decode(part.substr(0, equals), /*plus_is_blank=*/true);
        const auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), true);
        if (!name || !value) {
            return reject(400, "the query of the address is malformed");
        }
        if (!request_.query.emplace(*name, *value).second) {
            return reject(400, "a parameter of the address is there once");
        }
    }
    return true;
}

bool RequestReader::finish_head() {
    if (has_encoding_ && has_length_) {
        return reject(400, "a request cannot have both Content-Length and Transfer-Encoding");
    }
    if (has_encoding_) {
        return reject(411, "send the body with a Content-Length");
    }
    if (hosts_ > 1 || (hosts_ == 0 && !request_.http_1_0)) {
        return reject(400, "a request has one Host");
    }
    if (length_ > limits_.body) {
        return reject(413, "a body has at most 1 MiB");
    }
    return true;
}

}  // namespace berth::http
