#include "controller/http/connection.h"

#include <array>

namespace berth::http {

namespace {

constexpr std::size_t kReadSize = 16U << 10U;
constexpr std::size_t kWriteStep = 64U << 10U;
constexpr std::size_t kMaxDrained = 4U << 20U;

}  // namespace

Connection::Connection(const Environment& environment,
                       std::unique_ptr<Stream> stream,
                       std::string address)
    : environment_(environment),
      stream_(std::move(stream)),
      address_(std::move(address)),
      reader_(environment.limits) {}

void Connection::start() {
    set_deadline(environment_.deadlines.head);
    watch_ = environment_.loop.watch(
        stream_->descriptor(), loop::Interest::Edge, [this](bool readable, bool writable) {
            ready(readable, writable);
        });
}

void Connection::ready(bool readable, bool writable) {
    const bool both = stream_->is_crossed();
    readable_ = readable_ || readable || both;
    writable_ = writable_ || writable || both;
    pump();
}

// Does what can be done now.
void Connection::pump() {
    if (pumping_) {
        return;
    }
    const auto self = shared_from_this();
    pumping_ = true;
    bool more = true;
    while (more) {
        switch (state_) {
            case State::Reading:
                more = on_progress() || read();
                break;
            case State::Writing:
                more = write();
                break;
            case State::Lingering:
                more = read();
                break;
            case State::Handling:
            case State::WaitingForPiece:
            case State::Closed:
                more = false;
                break;
        }
    }
    pumping_ = false;
}

bool Connection::read() {
    if (!readable_) {
        return false;
    }
    std::array<char, kReadSize> buffer;
    const os::IoOutcome outcome = stream_->read(buffer.data(), buffer.size());
    switch (outcome.status) {
        case os::IoStatus::WouldBlock:
            readable_ = false;
            return false;
        case os::IoStatus::Closed:
        case os::IoStatus::Failed:
            close();
            return false;
        case os::IoStatus::Done:
            break;
    }
    if (state_ == State::Lingering) {
        drained_ += outcome.bytes;
        if (drained_ > kMaxDrained) {
            close();
        }
        return state_ == State::Lingering;
    }
    if (stream_->is_misdirected()) {
        refuse(400, "TLS is spoken here: the address begins with https://");
        return true;
    }
    reader_.feed({buffer.data(), outcome.bytes});
    environment_.holds(*this, reader_.buffered());  // which may have closed it
    return state_ == State::Reading;
}

// Refuses what is no request.
void Connection::refuse(int status, std::string_view why) {
    manner_ = {/*keep_alive=*/false};
    ++exchange_;
    respond(environment_.refuse(status, why));
}

// Looks how far the reader is. True: the state has changed.
bool Connection::on_progress() {
    const RequestReader::Progress progress = reader_.progress();
    if (progress == RequestReader::Progress::Complete) {
        begin_handling();
        return true;
    }
    if (progress == RequestReader::Progress::Rejected) {
        refuse(reader_.rejection().status, reader_.rejection().detail);
        return true;
    }
    if (progress == RequestReader::Progress::Body) {
        if (!seen_.in_body) {
            seen_.in_body = true;
            set_deadline(environment_.deadlines.body);
            if (environment_.knows(reader_.head())) {
                environment_.ranked(*this, Rank::Known);
            }
        }
        if (reader_.expects_continue() && !seen_.continued) {
            seen_.continued = true;
            // So few bytes nearly always fit; if not, the client sends the body after a while
            // anyway.
            (void)stream_->write("HTTP/1.1 100 Continue\r\n\r\n");
        }
    } else if (reader_.began() && !seen_.began) {
        seen_.began = true;
        if (proved_) {  // else the time since the accept counts
            set_deadline(environment_.deadlines.head);
        }
    }
    return false;
}

void Connection::begin_handling() {
    Request request = reader_.take();
    environment_.holds(*this, reader_.buffered());
    request.address = address_;
    request.secure = stream_->is_secure();
    proved_ = true;
    seen_ = {};
    manner_ = {request.keep_alive, request.method == Method::Head, request.http_1_0};
    state_ = State::Handling;
    set_deadline(environment_.deadlines.handling);
    const std::uint64_t exchange = ++exchange_;
    const std::weak_ptr<Connection> weak = weak_from_this();
    const loop::PosterPtr poster = environment_.poster;
    Responder responder([weak, poster, exchange](std::optional<Response> response) {
        auto shared = std::make_shared<std::optional<Response>>(std::move(response));
        (void)poster->post([weak, exchange, shared] {
            const auto self = weak.lock();
            if (self && self->exchange_ == exchange && self->state_ == State::Handling) {
                self->respond(*shared
                                  ? std::move(**shared)
                                  : self->environment_.refuse(500, "the request was not answered"));
                self->pump();
            }
        });
    });
    const bool known = environment_.handle(std::move(request), std::move(responder));
    environment_.ranked(*this, known ? Rank::Known : Rank::Stranger);
}

void Connection::respond(Response response) {
    outgoing_.begin(std::move(response), manner_, environment_.fixed_fields);
    state_ = State::Writing;
    set_deadline(environment_.deadlines.writing);
}

// True: go on. False: the socket is full, or it is over.
bool Connection::write() {
    if (!writable_) {
        return false;
    }
    const std::string_view rest = outgoing_.rest();
    const os::IoOutcome outcome =
        rest.empty() ? os::IoOutcome{stream_->flush(), 0, 0} : stream_->write(rest);
    switch (outcome.status) {
        case os::IoStatus::WouldBlock:
            writable_ = false;
            return false;
        case os::IoStatus::Closed:
        case os::IoStatus::Failed:
            close();
            return false;
        case os::IoStatus::Done:
            break;
    }
    if (rest.empty()) {
        return written();
    }
    outgoing_.sent(outcome.bytes);
    since_deadline_ += outcome.bytes;
    if (since_deadline_ >= kWriteStep) {
        set_deadline(environment_.deadlines.writing);
    }
    return true;
}

// What there was is out: the response ends, or its next piece is fetched.
bool Connection::written() {
    if (outgoing_.is_upgrade()) {
        hand_over();
        return false;
    }
    if (outgoing_.stream()) {
        fetch_piece();
    } else {
        finish_response();
    }
    return true;
}

void Connection::hand_over() {
    const auto upgrade = outgoing_.take_upgrade();
    watch_.reset();
    deadline_.reset();
    std::unique_ptr<Stream> stream = std::move(stream_);
    std::string rest = reader_.take_rest();
    state_ = State::Closed;
    environment_.closed(*this);
    upgrade(std::move(stream), std::move(rest));
}

void Connection::fetch_piece() {
    state_ = State::WaitingForPiece;
    set_deadline(environment_.deadlines.handling);
    const std::uint64_t exchange = exchange_;
    const std::weak_ptr<Connection> weak = weak_from_this();
    const loop::PosterPtr poster = environment_.poster;
    const StreamSource source = outgoing_.stream();
    source([weak, poster, exchange](StreamPiece piece) {
        auto shared = std::make_shared<StreamPiece>(std::move(piece));
        (void)poster->post([weak, exchange, shared] {
            const auto self = weak.lock();
            if (self && self->exchange_ == exchange && self->state_ == State::WaitingForPiece) {
                self->take_piece(*shared);
                self->pump();
            }
        });
    });
}

void Connection::take_piece(const StreamPiece& piece) {
    if (piece.failed) {
        // The end alone would make a piece of it look whole.
        stream_->abort();
        return close();
    }
    outgoing_.add(piece);
    state_ = State::Writing;
    set_deadline(environment_.deadlines.writing);
}

void Connection::finish_response() {
    outgoing_.clear();
    if (!manner_.keep_alive) {
        return linger();
    }
    state_ = State::Reading;
    set_deadline(environment_.deadlines.idle);
}

// Closing at once with unread bytes would make the system throw the response away with them.
void Connection::linger() {
    stream_->end();
    state_ = State::Lingering;
    set_deadline(environment_.deadlines.lingering);
}

void Connection::close() {
    if (state_ == State::Closed) {
        return;
    }
    const auto self = shared_from_this();
    state_ = State::Closed;
    watch_.reset();
    deadline_.reset();
    stream_.reset();
    outgoing_.clear();
    environment_.closed(*this);
}

void Connection::set_deadline(Duration delay) {
    since_deadline_ = 0;
    deadline_ = environment_.loop.after(delay, [this] { on_deadline(); });
}

void Connection::on_deadline() {
    const auto self = shared_from_this();
    if (state_ == State::Reading && reader_.began()) {
        refuse(408, "the request did not come in time");
        return pump();
    }
    if (state_ == State::Handling) {
        manner_.keep_alive = false;
        ++exchange_;
        respond(environment_.refuse(504, "no answer was found in time"));
        return pump();
    }
    close();
}

}  // namespace berth::http
