#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "shared/zmtp/codec.h"

using namespace berth::zmtp;  // NOLINT(google-build-using-namespace): tests read better
using namespace std::string_view_literals;

namespace {

struct Seen : Reader::Sink {
    void greeted() override { log += "greeted "; }

    void ready() override { log += "ready "; }

    bool message(std::span<const std::string_view> parts) override {
        messages.emplace_back(parts.begin(), parts.end());
        return !stop;
    }

    void too_large(std::string_view header) override { refused.emplace_back(header); }

    void ping(std::string_view context) override { pings.emplace_back(context); }

    std::string log;
    std::vector<std::vector<std::string>> messages;
    std::vector<std::string> refused;
    std::vector<std::string> pings;
    bool stop = false;
};

// Feeds as a connection does: what was not consumed comes again, with more.
class Peer {
public:
    void feed(std::string_view bytes) {
        pending_ += bytes;
        const std::size_t done = reader.consume(pending_, seen);
        REQUIRE(done <= pending_.size());
        pending_.erase(0, done);
    }

    [[nodiscard]] std::size_t pending() const { return pending_.size(); }

    Reader reader;
    Seen seen;

private:
    std::string pending_;
};

std::string client_greeting() {
    std::string greeting(64, '\0');
    greeting[0] = '\xFF';
    greeting[9] = '\x7F';
    greeting[10] = 3;
    greeting[11] = 1;
    greeting.replace(12, 4, "NULL");
    return greeting;
}

const std::string kReady = std::string(
    "\x04\x1C\x05READY\x0BSocket-Type\x00\x00\x00\x06"
    "DEALER"sv);

std::string message(const std::vector<std::string>& parts) {
    std::string out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        append_frame(out, parts[i], i + 1 < parts.size());
    }
    return out;
}

struct ReadyPeer : Peer {
    ReadyPeer() {
        feed(client_greeting() + kReady);
        REQUIRE(reader.is_ready());
    }
};

}  // namespace

TEST_CASE("a peer greets and says that it is a dealer") {
    CHECK(greeting_bytes().size() == 64);
    CHECK(ready_command(SocketType::Router).size() == 30);
    CHECK(ready_command(SocketType::Dealer) == kReady);
    Peer peer;
    peer.feed(client_greeting());
    CHECK(peer.seen.log == "greeted ");
    peer.feed(kReady);
    CHECK(peer.seen.log == "greeted ready ");
    CHECK(peer.reader.is_ready());
}

TEST_CASE("who speaks something else is refused as soon as that shows") {
    std::string other_mechanism = client_greeting();
    other_mechanism.replace(12, 5, "PLAIN");
    std::string old = client_greeting();
    old[10] = 1;
    const std::string sub =
        client_greeting() + std::string("\x04\x19\x05READY\x0BSocket-Type\0\0\0\x03SUB"sv);
    const std::string eager = client_greeting() + message({"before READY"});
    for (const std::string& bytes : {std::string("GET / HTTP/1.1\r\n"),
                                     std::string("\xFF\0\0\0\0\0\0\0\0\x00"sv),
                                     other_mechanism,
                                     old,
                                     sub,
                                     eager}) {
        Peer peer;
        peer.feed(bytes);
        CHECK(peer.reader.broken());
        CHECK(peer.seen.messages.empty());
    }
}

TEST_CASE("messages come whole, however their bytes are cut") {
    const std::vector<std::vector<std::string>> sent = {
        {"a"},
        {"header", ""},
        {"h", std::string(255, 'x'), std::string(256, 'y')},
        {"", ""},
        {"z", std::string(70'000, 'z')}};
    std::string bytes = client_greeting() + kReady;
    for (const auto& parts : sent) {
        bytes += message(parts);
        bytes += std::string(
            "\x04\x0B\x04PING\0\x0A"
            "abcd"sv);
    }
    const auto seed = GENERATE(range(0U, 40U));
    std::mt19937 random(seed);  // NOLINT(cert-msc51-cpp): the same in every run
    Peer peer;
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t size = seed == 0 ? 1 : 1 + random() % (seed < 20 ? 7 : 9000);
        peer.feed(std::string_view(bytes).substr(at, size));
        at += size;
    }
    CHECK(peer.seen.messages == sent);
    CHECK(peer.seen.pings == std::vector<std::string>(sent.size(), "abcd"));
    CHECK(peer.pending() == 0);
}

TEST_CASE("a message that is over a limit is read past, and what follows is not") {
    ReadyPeer peer;
    peer.reader.set_limits({10, 100, 150, 3});
    const std::string good = message({"ok", "payload"});
    peer.feed(message({"frame", std::string(101, 'x'), "more"}) + good);
    peer.feed(message({"total", std::string(80, 'x'), std::string(80, 'x')}) + good);
    peer.feed(message({"parts", "", "", ""}) + good);
    peer.feed(message({std::string(11, 'h'), "x"}) + good);
    CHECK(peer.seen.refused == std::vector<std::string>{"frame", "total", "parts", ""});
    CHECK(peer.seen.messages == std::vector<std::vector<std::string>>(4, {"ok", "payload"}));
}

TEST_CASE("what is read past is not kept") {
    ReadyPeer peer;
    peer.reader.set_limits({10, 1000, 1000, 3});
    peer.feed("\x03\0\0\0\0\x3F\xFF\xFF\xFF"sv);  // nearly 1 GiB is announced, and more
    for (int i = 0; i < 100; ++i) {
        peer.feed(std::string(10'000, 'x'));
        REQUIRE(peer.pending() == 0);
    }
    CHECK_FALSE(peer.reader.broken());
}

TEST_CASE("frames that nobody means are the end") {
    for (const std::string_view frame : {"\x08\x00"sv,                  // flag
                                         "\x05\x03\x02xy"sv,            // command, more
                                         "\x06\0\0\0\0\0\0\xFF\xFF"sv,  // long command
                                         "\x04\x00"sv,                  // no name
                                         "\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"sv}) {  // 2^64 bytes
        ReadyPeer peer;
        peer.feed(frame);
        CHECK(peer.reader.broken());
    }
}

TEST_CASE("a sink can stop, and goes on later") {
    ReadyPeer peer;
    peer.seen.stop = true;
    peer.feed(message({"1"}) + message({"2"}) + message({"3"}));
    CHECK(peer.seen.messages.size() == 1);
    peer.feed("");
    CHECK(peer.seen.messages.size() == 2);
    peer.seen.stop = false;
    peer.feed("");
    CHECK(peer.seen.messages.size() == 3);
    CHECK(peer.pending() == 0);
}

TEST_CASE("no bytes make the reader misbehave") {
    const auto seed = GENERATE(range(0U, 300U));
    std::mt19937 random(seed);  // NOLINT(cert-msc51-cpp)
    std::string bytes = client_greeting() + kReady;
    for (int i = 0; i < 20; ++i) {
        bytes += message({std::string(random() % 40, 'h'), std::string(random() % 400, 'p')});
    }
    for (unsigned i = 0; i < 1 + seed % 5; ++i) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    INFO("seed " << seed);
    Peer peer;
    for (std::size_t at = 0; at < bytes.size() && !peer.reader.broken();) {
        const std::size_t size = 1 + random() % 100;
        peer.feed(std::string_view(bytes).substr(at, size));
        at += size;
    }
    for (const auto& parts : peer.seen.messages) {
        CHECK(!parts.empty());
    }
}
