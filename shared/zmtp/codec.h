#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// ZMTP 3.0 (RFC 23) with the NULL mechanism, for the unix sockets of this machine: both sides of a
// DEALER that talks to a ROUTER. We speak it ourselves there instead of through libzmq's I/O
// threads: a message then costs no switch between threads, the end of a connection is seen at once,
// a peer that does not read can be made to wait, and a program that only talks to its neighbours
// loads no library for networks. Any ZeroMQ library connects.
//
//   both:  64 bytes of greeting: FF 00*8 7F, version 3 0, mechanism[20], as-server, 31 zeros
//   both:  a READY command with Socket-Type
//   then:  frames: flags (1 more, 2 long, 4 command), size in 1 or 8 bytes, body
namespace berth::zmtp {

// What a peer calls itself.
enum class SocketType : std::uint8_t { Dealer, Router };

struct Limits {
    std::size_t header = 64U << 10U;  // the first frame of a message
    std::size_t frame = 64U << 20U;   // any other
    std::size_t message = 65U << 20U;
    std::size_t parts = 10'001;
};

// Takes a peer's bytes apart. No I/O; what is not whole yet stays with the caller.
class Reader {
public:
    class Sink {
    public:
        Sink() = default;
        Sink(const Sink&) = delete;
        Sink& operator=(const Sink&) = delete;
        virtual ~Sink() = default;

        virtual void greeted() = 0;  // answer with ready_command()
        virtual void ready() = 0;    // messages may be sent from now on

        // The parts are valid during the call. False: stop here, the rest stays unread.
        virtual bool message(std::span<const std::string_view> parts) = 0;

        // One that was over a limit has been read past; `header` is its first part, if that was
        // within its own limit.
        virtual void too_large(std::string_view header) = 0;
        virtual void ping(std::string_view context) = 0;  // answer with a PONG of it
    };

    // `peer`: what it has to be.
    explicit Reader(SocketType peer = SocketType::Dealer) : peer_(peer) {}

    // Gives how many bytes of `in` are done with; the rest must be at the begin of the next call's
    // `in`. After it, broken() says whether the peer is no `peer` that speaks ZMTP 3.
    std::size_t consume(std::string_view in, Sink& sink);

    [[nodiscard]] bool broken() const { return stage_ == Stage::Broken; }

    [[nodiscard]] bool is_ready() const { return stage_ == Stage::Messages; }

    void set_limits(const Limits& limits) { limits_ = limits; }

private:
    enum class Stage : std::uint8_t { Greeting, Handshake, Messages, Broken };
    enum class Step : std::uint8_t { Go, Wait };

    struct Part {
        std::size_t offset;
        std::size_t size;
    };

    struct Frame {
        std::uint8_t flags = 0;
        std::size_t head = 0;
        std::uint64_t size = 0;
    };

    Step step(std::string_view in, Sink& sink);
    Step greeting(std::string_view in, Sink& sink);
    Step skip(std::string_view in, Sink& sink);
    Step part(std::string_view in, const Frame& frame, Sink& sink);
    Step command(std::string_view body, Sink& sink);
    void refuse(std::string_view in, const Frame& frame);
    Step deliver(std::string_view in, Sink& sink);

    void fail() { stage_ = Stage::Broken; }

    SocketType peer_;
    Stage stage_ = Stage::Greeting;
    Limits limits_;
    std::size_t start_ = 0;  // of the message that is being read
    std::size_t at_ = 0;     // how far it has been read
    std::vector<Part> parts_;
    std::vector<std::string_view> views_;
    std::size_t total_ = 0;
    bool refused_ = false;        // the present message is over a limit
    bool skipping_ = false;       // one of its frames is being read past
    std::string refused_header_;  // its first part
    std::uint64_t skip_ = 0;
};

// Our greeting; our READY; a PONG; and a message's frames appended to `out`.
std::string_view greeting_bytes();
std::string_view ready_command(SocketType own);
void append_pong(std::string& out, std::string_view context);
void append_frame(std::string& out, std::string_view body, bool more);

}  // namespace berth::zmtp
