#include "shared/zmtp/codec.h"

#include <algorithm>
#include <array>

namespace berth::zmtp {

namespace {

constexpr std::size_t kGreetingSize = 64;
constexpr std::size_t kMaxCommand = 1024;
constexpr std::uint64_t kMaxSkipped = 1U << 30U;  // more than that is no mistake

constexpr std::uint8_t kMore = 1;
constexpr std::uint8_t kLong = 2;
constexpr std::uint8_t kCommand = 4;

using namespace std::string_view_literals;

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes) {
        value = value << 8U | static_cast<unsigned char>(byte);
    }
    return value;
}

// Whether a READY's properties say that the peer is of this type.
bool is_of(SocketType type, std::string_view properties) {
    while (!properties.empty()) {
        const auto name_size = static_cast<unsigned char>(properties[0]);
        if (properties.size() < 1U + name_size + 4U) {
            return false;
        }
        const std::string_view name = properties.substr(1, name_size);
        const std::uint64_t size = big_endian(properties.substr(1U + name_size, 4));
        properties.remove_prefix(1U + name_size + 4U);
        if (properties.size() < size) {
            return false;
        }
        if (name == "Socket-Type") {
            return properties.substr(0, size) == (type == SocketType::Dealer ? "DEALER" : "ROUTER");
        }
        properties.remove_prefix(size);
    }
    return false;
}

}  // namespace

std::size_t Reader::consume(std::string_view in, Sink& sink) {
    while (stage_ != Stage::Broken && step(in, sink) == Step::Go) {
    }
    const std::size_t done = start_;
    at_ -= start_;
    for (Part& part : parts_) {
        part.offset -= start_;
    }
    start_ = 0;
    return done;
}

Reader::Step Reader::step(std::string_view in, Sink& sink) {
    if (stage_ == Stage::Greeting) {
        return greeting(in, sink);
    }
    if (skip_ > 0 || skipping_) {
        return skip(in, sink);
    }
    const std::string_view left = in.substr(at_);
    if (left.size() < 2) {
        return Step::Wait;
    }
    Frame frame;
    frame.flags = static_cast<std::uint8_t>(left[0]);
    const bool is_long = (frame.flags & kLong) != 0;
    frame.head = is_long ? 9 : 2;
    if (left.size() < frame.head) {
        return Step::Wait;
    }
    frame.size = big_endian(left.substr(1, frame.head - 1));
    if ((frame.flags & ~(kMore | kLong | kCommand)) != 0) {
        fail();
        return Step::Wait;
    }
    if ((frame.flags & kCommand) == 0) {
        return part(in, frame, sink);
    }
    if (frame.size > kMaxCommand || (frame.flags & kMore) != 0) {
        fail();
        return Step::Wait;
    }
    if (left.size() < frame.head + frame.size) {
        return Step::Wait;
    }
    at_ += frame.head + frame.size;
    if (parts_.empty()) {
        start_ = at_;
    }
    return command(left.substr(frame.head, frame.size), sink);
}

Reader::Step Reader::greeting(std::string_view in, Sink& sink) {
    const std::string_view seen = in.substr(0, kGreetingSize);
    const auto wrong = [&seen](std::size_t index, char byte) {
        return seen.size() > index && seen[index] != byte;
    };
    const bool old = seen.size() > 10 && static_cast<unsigned char>(seen[10]) < 3;
    if (wrong(0, '\xFF') || wrong(9, '\x7F') || old) {
        fail();
        return Step::Wait;
    }
    if (seen.size() < kGreetingSize) {
        return Step::Wait;
    }
    if (seen.substr(12, 20) != "NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"sv) {
        fail();
        return Step::Wait;
    }
    start_ = at_ = kGreetingSize;
    stage_ = Stage::Handshake;
    sink.greeted();
    return Step::Go;
}

Reader::Step Reader::command(std::string_view body, Sink& sink) {
    const std::size_t name_size = body.empty() ? 0 : static_cast<unsigned char>(body[0]);
    if (name_size == 0 || body.size() < 1 + name_size) {
        fail();
        return Step::Wait;
    }
    const std::string_view name = body.substr(1, name_size);
    const std::string_view data = body.substr(1 + name_size);
    if (stage_ == Stage::Handshake) {
        if (name != "READY" || !is_of(peer_, data)) {
            fail();
            return Step::Wait;
        }
        stage_ = Stage::Messages;
        sink.ready();
    } else if (name == "PING" && data.size() >= 2 && data.size() <= 18) {
        sink.ping(data.substr(2));  // after its time to live
    }
    return Step::Go;
}

Reader::Step Reader::part(std::string_view in, const Frame& frame, Sink& sink) {
    if (stage_ != Stage::Messages || frame.size > kMaxSkipped) {
        fail();
        return Step::Wait;
    }
    const std::size_t limit = parts_.empty() ? limits_.header : limits_.frame;
    if (refused_ || frame.size > limit || total_ + frame.size > limits_.message ||
        parts_.size() >= limits_.parts) {
        refuse(in, frame);
        return Step::Go;
    }
    if (in.size() - at_ < frame.head + frame.size) {
        return Step::Wait;
    }
    parts_.push_back({at_ + frame.head, frame.size});
    total_ += frame.size;
    at_ += frame.head + frame.size;
    return (frame.flags & kMore) != 0 ? Step::Go : deliver(in, sink);
}

// What is over a limit is read past without being kept.
void Reader::refuse(std::string_view in, const Frame& frame) {
    if (!refused_) {
        refused_header_ = parts_.empty() ? std::string()
                                         : std::string(in.substr(parts_[0].offset, parts_[0].size));
        refused_ = true;
        parts_.clear();
    }
    skipping_ = true;
    at_ += frame.head;
    start_ = at_;
    skip_ = frame.size;
    if ((frame.flags & kMore) == 0) {
        total_ = 0;
        refused_ = false;
    }
}

Reader::Step Reader::skip(std::string_view in, Sink& sink) {
    const std::size_t now = std::min<std::uint64_t>(skip_, in.size() - at_);
    at_ += now;
    start_ = at_;
    skip_ -= now;
    if (skip_ > 0) {
        return Step::Wait;
    }
    skipping_ = false;
    if (!refused_) {  // that was its last frame
        sink.too_large(refused_header_);
        refused_header_.clear();
    }
    return Step::Go;
}

Reader::Step Reader::deliver(std::string_view in, Sink& sink) {
    views_.clear();
    for (const Part& part : parts_) {
        views_.push_back(in.substr(part.offset, part.size));
    }
    parts_.clear();
    total_ = 0;
    start_ = at_;
    return sink.message(views_) ? Step::Go : Step::Wait;
}

std::string_view greeting_bytes() {
    static constexpr auto kGreeting = [] {
        std::array<char, kGreetingSize> bytes{};
        bytes[0] = '\xFF';
        bytes[9] = '\x7F';
        bytes[10] = 3;
        bytes[12] = 'N';
        bytes[13] = 'U';
        bytes[14] = 'L';
        bytes[15] = 'L';
        return bytes;
    }();
    return {kGreeting.data(), kGreeting.size()};
}

std::string_view ready_command(SocketType own) {
    return own == SocketType::Router ? "\x04\x1C\x05READY\x0BSocket-Type\x00\x00\x00\x06ROUTER"sv
                                     : "\x04\x1C\x05READY\x0BSocket-Type\x00\x00\x00\x06"
                                       "DEALER"sv;
}

void append_pong(std::string& out, std::string_view context) {
    out += '\x04';
    out += static_cast<char>(5 + context.size());
    out += "\x04PONG";
    out += context;
}

void append_frame(std::string& out, std::string_view body, bool more) {
    const auto flag = static_cast<char>(more ? kMore : 0);
    if (body.size() < 256) {
        out += flag;
        out += static_cast<char>(body.size());
    } else {
        out += static_cast<char>(flag | static_cast<char>(kLong));
        for (unsigned shift = 64; shift > 0; shift -= 8) {
            out +=
                static_cast<char>(static_cast<std::uint64_t>(body.size()) >> (shift - 8) & 0xFFU);
        }
    }
    out += body;
}

}  // namespace berth::zmtp
