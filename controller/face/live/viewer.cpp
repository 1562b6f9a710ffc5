#include "controller/face/live/viewer.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <array>

#include "shared/base/ensure.h"

namespace berth::live {

namespace {

constexpr std::size_t kQueueBound = 1U << 20U;
constexpr std::size_t kMaxMessage = 4096;
constexpr std::size_t kMostOfTurn = 64U << 10U;  // bytes read before others have their turn
constexpr std::size_t kMostSaid = 100;           // messages in a second
constexpr Duration kGoodbye = std::chrono::seconds(2);
constexpr unsigned kTryAgainLater = 1013;

}  // namespace

// wslay reads and checks what the client sends, and answers its pings and closes; what it wants to
// send joins the queue.
struct Viewer::Callbacks {
    static ssize_t receive(
        wslay_event_context* context, std::uint8_t* buffer, std::size_t size, int, void* user) {
        auto& self = *static_cast<Viewer*>(user);
        if (self.input_.empty()) {
            wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
            return -1;
        }
        const std::size_t taken = std::min(size, self.input_.size());
        std::copy_n(self.input_.begin(), taken, buffer);
        self.input_.erase(0, taken);
        return static_cast<ssize_t>(taken);
    }

    static ssize_t send(
        wslay_event_context*, const std::uint8_t* data, std::size_t size, int, void* user) {
        auto& self = *static_cast<Viewer*>(user);
        if (self.queued_ + size > self.room_) {
            self.behind_ = true;
        } else {
            self.push(std::make_shared<const std::string>(data, data + size));
        }
        return static_cast<ssize_t>(size);
    }

    static void message(wslay_event_context*,
                        const wslay_event_on_msg_recv_arg* message,
                        void* user) {
        auto& self = *static_cast<Viewer*>(user);
        if (message->opcode == WSLAY_CONNECTION_CLOSE) {
            self.ending_ = true;
        } else if (!self.ending_ &&
                   (message->opcode == WSLAY_TEXT_FRAME || message->opcode == WSLAY_BINARY_FRAME)) {
            if (!self.may_say_more()) {
                return self.dismiss("too many messages");
            }
            const std::string text(message->msg, message->msg + message->msg_length);
            self.events_.message(self, text);  // of binary ones too: it says what it reads
        }
    }
};

void Viewer::ContextFree::operator()(wslay_event_context* context) const {
    wslay_event_context_free(context);
}

Viewer::Viewer(loop::EventLoop& loop, Id id, Owner owner, const Events& events)
    : loop_(loop),
      id_(id),
      owner_(std::move(owner)),
      events_(events),
      room_(kQueueBound),
      last_heard_(loop.now().mono) {
    wslay_event_callbacks callbacks{};
    callbacks.recv_callback = &Callbacks::receive;
    callbacks.send_callback = &Callbacks::send;
    callbacks.on_msg_recv_callback = &Callbacks::message;
    wslay_event_context* context = nullptr;
    const int made = wslay_event_context_server_init(&context, &callbacks, this);
    ENSURE(made == 0, "this fails without memory only");
    context_.reset(context);
    wslay_event_config_set_max_recv_msg_length(context, kMaxMessage);
}

Viewer::~Viewer() = default;

void Viewer::start(std::unique_ptr<http::Stream> stream, std::string rest) {
    stream_ = std::move(stream);
    input_ = std::move(rest);
    watch_ = loop_.watch(
        stream_->descriptor(), loop::Interest::Edge, [this](bool readable, bool writable) {
            const bool both = stream_->is_crossed();
            ready(readable || both, writable || both);
        });
    if (!input_.empty()) {
        parse();
    }
    if (stream_->is_crossed()) {
        // It may have taken bytes off the socket that nobody has asked for yet.
        rest_ = loop_.after(Duration::zero(), [this] { ready(true, false); });
    }
    write();
}

void Viewer::ready(bool readable, bool writable) {
    const auto self = shared_from_this();
    writable_ = writable_ || writable;
    if (readable && !read()) {
        return close();
    }
    write();
}

// False: the connection is over.
bool Viewer::read() {
    std::array<char, 8192> buffer;
    std::size_t taken = 0;
    while (stream_) {
        if (taken >= kMostOfTurn) {
            rest_ = loop_.after(Duration::zero(), [this] { ready(true, false); });
            return true;
        }
        const os::IoOutcome outcome = stream_->read(buffer.data(), buffer.size());
        if (outcome.status == os::IoStatus::WouldBlock) {
            return true;
        }
        if (outcome.status != os::IoStatus::Done) {
            return false;
        }
        last_heard_ = loop_.now().mono;
        taken += outcome.bytes;
        if (!ending_) {  // else what it says is of no interest any more
            input_.append(buffer.data(), outcome.bytes);
            parse();
        }
    }
    return true;
}

bool Viewer::may_say_more() {
    const MonoTime now = loop_.now().mono;
    if (now - counted_since_ > std::chrono::seconds(1)) {
        counted_since_ = now;
        said_ = 0;
    }
    return ++said_ <= kMostSaid;
}

void Viewer::parse() {
    const auto self = shared_from_this();
    if (wslay_event_recv(context_.get()) != 0 ||
        wslay_event_get_read_enabled(context_.get()) == 0) {
        ending_ = true;  // wslay has queued a close frame that says why
    }
    (void)wslay_event_send(context_.get());  // into our queue, which cannot fail
    input_.clear();                          // wslay takes all, unless it has stopped reading
    if (behind_) {
        dismiss("too slow");
    }
    if (ending_ && !deadline_.active()) {
        deadline_ = loop_.after(kGoodbye, [this] { close(); });
    }
}

void Viewer::push(const Frame& frame) {
    queue_.push_back(frame);
    queued_ += frame->size();
}

void Viewer::send(const Frame& frame, std::size_t extra_room) {
    if (ending_) {
        return;
    }
    room_ += extra_room;
    // Large is not slow: who has taken all there was gets any frame.
    if (queued_ > 0 && queued_ + frame->size() > room_) {
        return dismiss("too slow");
    }
    push(frame);
    if (stream_) {
        write();
    }
}

void Viewer::dismiss(std::string_view reason) {
    if (ending_) {
        return;
    }
    const auto self = shared_from_this();
    // A frame that is half sent must be finished; the rest is dropped.
    const Frame begun = written_ > 0 ? queue_.front() : nullptr;
    queue_.clear();
    queued_ = 0;
    if (begun) {
        queue_.push_back(begun);
        queued_ = begun->size() - written_;
    }
    push(text_frame(bye_text(reason)));
    push(close_frame(kTryAgainLater, reason));
    ending_ = true;
    deadline_ = loop_.after(kGoodbye, [this] { close(); });
    write();
}

void Viewer::write() {
    while (writable_ && !queue_.empty() && stream_) {
        const std::string_view rest = std::string_view(*queue_.front()).substr(written_);
        const os::IoOutcome outcome = stream_->write(rest);
        if (outcome.status == os::IoStatus::WouldBlock) {
            writable_ = false;
            return;
        }
        if (outcome.status != os::IoStatus::Done) {
            return close();
        }
        queued_ -= outcome.bytes;
        written_ += outcome.bytes;
        if (written_ == queue_.front()->size()) {
            queue_.pop_front();
            written_ = 0;
        }
    }
    // What was taken last may wait within TLS.
    if (!stream_ || !queue_.empty() || stream_->flush() != os::IoStatus::Done) {
        return;
    }
    if (ending_ && !finished_) {
        // Closing at once with unread bytes would make the system throw the goodbye away with them.
        finished_ = true;
        stream_->end();
    }
}

void Viewer::close() {
    if (!stream_) {
        return;
    }
    const auto self = shared_from_this();
    ending_ = true;
    watch_.reset();
    rest_.reset();
    deadline_.reset();
    stream_.reset();
    events_.closed(*this);
}

}  // namespace berth::live
