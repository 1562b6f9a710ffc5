#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "controller/http/outgoing.h"
#include "controller/http/places.h"
#include "controller/http/request_reader.h"
#include "controller/http/responder.h"
#include "controller/http/response.h"
#include "controller/http/stream.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/poster.h"

namespace berth::http {

// How long a connection may take for what it does.
struct Deadlines {
    Duration head = std::chrono::seconds(5);  // from the first byte, or from the accept
    Duration body = std::chrono::seconds(10);
    Duration idle = std::chrono::seconds(60);  // between two requests
    Duration handling = std::chrono::seconds(330);
    Duration writing = std::chrono::seconds(20);  // for each 64 KiB
    Duration lingering = std::chrono::seconds(2);
};

// How something that the transport itself refuses is answered: the status, and why in a sentence.
using Refuse = std::function<Response(int status, std::string_view why)>;

// One connection: reads a request, has it handled, writes the response, and starts over. Does not
// read ahead of the request it answers, so what a client costs is bounded: one request, one
// response (or one piece of a stream). Http loop thread; owned by the front, which drops it in
// `closed`. Its members are what one state machine between a socket and a handler has to know.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    struct Environment {
        loop::EventLoop& loop;
        loop::PosterPtr poster;
        Deadlines deadlines;
        RequestLimits limits;
        std::string_view fixed_fields;  // of every response, each with its end of line
        std::function<bool(Request request, Responder responder)> handle;  // see Front::Handle
        std::function<bool(const Request& head)> knows;  // whether that will be true of it
        Refuse refuse;
        std::function<void(Connection& connection, Rank rank)> ranked;
        std::function<void(Connection& connection, std::size_t bytes)> holds;
        std::function<void(Connection& connection)> closed;
    };

    Connection(const Environment& environment, std::unique_ptr<Stream> stream, std::string address);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start();

    // Cuts it, whatever it does.
    void close();

    [[nodiscard]] const std::string& address() const { return address_; }

    // Whether it only waits for a request.
    [[nodiscard]] bool idle() const { return state_ == State::Reading; }

private:
    enum class State : std::uint8_t {
        Reading,
        Handling,
        Writing,
        WaitingForPiece,
        Lingering,
        Closed
    };

    // How far the next request has come.
    struct Seen {
        bool began = false;      // its first byte is there
        bool in_body = false;    // its head is
        bool continued = false;  // "100 Continue" was sent
    };

    void ready(bool readable, bool writable);
    void pump();
    bool read();
    bool on_progress();
    void refuse(int status, std::string_view why);
    void begin_handling();
    void respond(Response response);
    bool write();
    bool written();
    void hand_over();
    void fetch_piece();
    void take_piece(const StreamPiece& piece);
    void finish_response();
    void linger();
    void set_deadline(Duration delay);
    void on_deadline();

    const Environment& environment_;
    std::unique_ptr<Stream> stream_;
    std::string address_;
    RequestReader reader_;
    State state_ = State::Reading;
    bool readable_ = false;
    bool writable_ = true;
    bool pumping_ = false;
    bool proved_ = false;  // a whole request has come
    Seen seen_;
    std::uint64_t exchange_ = 0;  // which request an answer is for
    Outgoing::Manner manner_;     // of its answer
    Outgoing outgoing_;
    std::size_t since_deadline_ = 0;  // bytes written since the deadline was set
    std::size_t drained_ = 0;
    loop::Registration watch_;
    loop::Registration deadline_;
};

}  // namespace berth::http
